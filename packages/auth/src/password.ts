/**
 * Passwords: native bcrypt. bcrypt reads 72 bytes and ignores the rest, so a longer password is
 * refused rather than cut.
 *
 * @see https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
 * @module
 */

import bcrypt from 'bcrypt'
import { APIError } from 'better-auth/api'
import { AuthError } from './errors.ts'

export const MIN_PASSWORD_LENGTH = 10
const MAX_PASSWORD_BYTES = 72

/** Fewer rounds are too cheap to guess against; more keep a person waiting for seconds. */
const MIN_ROUNDS = 12
const MAX_ROUNDS = 15

/** @throws PASSWORD_TOO_LONG, an HTTP 400, counted in bytes and not in characters. */
export function requireBcryptLength(password: string): void {
  if (Buffer.byteLength(password.normalize('NFKC')) <= MAX_PASSWORD_BYTES) return
  throw new APIError('BAD_REQUEST', {
    code: 'PASSWORD_TOO_LONG',
    message: `The password is longer than ${MAX_PASSWORD_BYTES} bytes.`,
  })
}

/** Better Auth's pair of functions. @throws `invalid_options` for fewer than 12 rounds. */
export function createPasswordHash(rounds = MIN_ROUNDS) {
  if (!Number.isInteger(rounds) || rounds < MIN_ROUNDS || rounds > MAX_ROUNDS) {
    throw new AuthError(
      'invalid_options',
      `bcryptRounds must be from ${MIN_ROUNDS} to ${MAX_ROUNDS}, not ${rounds}.`,
    )
  }
  return {
    hash(password: string): Promise<string> {
      requireBcryptLength(password)
      return bcrypt.hash(password.normalize('NFKC'), rounds)
    },
    verify({ hash, password }: { hash: string; password: string }): Promise<boolean> {
      requireBcryptLength(password)
      return bcrypt.compare(password.normalize('NFKC'), hash)
    },
  }
}
