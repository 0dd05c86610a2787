/**
 * Passwords: bcrypt over a keyed hash. bcrypt reads 72 bytes and ignores the rest; the keyed hash makes
 * 64 characters of a password of any length, so every byte of it counts, and a stolen table cannot be
 * tried without the key.
 *
 * Stored as `hs384:<pepper id>:<bcrypt>`. The pepper id is derived from the pepper, so that hashes find
 * their pepper while it is replaced; plain `$2b$` hashes are verified, too. Both are replaced at the next
 * sign-in.
 *
 * @see https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
 * @module
 */

import { createHmac } from 'node:crypto'
import { bcryptPool, inTurns } from './bcrypt-pool.ts'
import { AuthError } from './errors.ts'
import { NO_CALLER, type Turn } from './turns.ts'

/** In characters, which are Unicode's code points, of the normal form. */
export const MIN_PASSWORD_LENGTH = 10
export const MAX_PASSWORD_LENGTH = 128

/** Fewer rounds are too cheap to guess against; more keep a person waiting for seconds. */
const MIN_ROUNDS = 12
const MAX_ROUNDS = 15

/**
 * For `createTestAuth`: a few rounds, so that tests do not wait for hashes. A symbol, so that no configuration of a
 * host can ask for it.
 */
export const TEST_ROUNDS = Symbol('bcrypt rounds in tests')

/**
 * Without a pepper the key is no secret, and only lengthens what bcrypt reads. It is not made of the auth
 * secret: replacing that one must not lock everybody out.
 */
const NO_PEPPER = { id: 'none', key: 'tollgate' }

/** bcrypt's own limit, for the hashes that were made without the keyed hash. */
const PLAIN_BYTES = 72

const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/

export interface Passwords {
  hash(password: string): Promise<string>
  /** False for a hash that is malformed or whose pepper is not known. Takes as long in every case. */
  verify(entry: { hash: string; password: string }): Promise<boolean>
  /** Whether a hash is to be replaced: made without the keyed hash, with another pepper or fewer rounds. */
  isOutdated(hash: string): boolean
  /** @throws `too_busy` (503) when a hash asked for soon would perhaps be refused */
  requireRoom(): void
  /** @throws `too_busy` (503) when a hash asked for now would be refused */
  requirePlace(): void
  /** Whether so many hashes wait that a caller notices. */
  isBusy(): boolean
}

export interface PasswordOptions {
  /** From 12, the default, to 15. */
  bcryptRounds?: number | undefined
  /** The first is hashed with, all are verified with. Each 32 characters or more. Default: none. */
  passwordPeppers?: readonly string[] | undefined
  [TEST_ROUNDS]?: number
}

/**
 * Hashes in turns: `turnOf` says for whom a hash is that is asked for now. Default: nobody.
 *
 * @throws `invalid_options` for rounds out of range, and for a short pepper.
 */
export function createPasswords(
  options: PasswordOptions = {},
  turnOf: () => Turn = () => NO_CALLER,
): Passwords {
  const { bcryptRounds, passwordPeppers = [], [TEST_ROUNDS]: testRounds } = options
  const rounds = bcryptRounds ?? testRounds ?? MIN_ROUNDS
  const isAllowed = Number.isInteger(rounds) && rounds >= MIN_ROUNDS && rounds <= MAX_ROUNDS
  if (!isAllowed && rounds !== testRounds) {
    throw new AuthError(
      'invalid_options',
      `bcryptRounds must be from ${MIN_ROUNDS} to ${MAX_ROUNDS}, not ${rounds}.`,
    )
  }
  if (passwordPeppers.some((pepper) => pepper.length < 32)) {
    throw new AuthError('invalid_options', 'A password pepper must have 32 characters or more.')
  }
  const peppers = [...passwordPeppers.map(named), NO_PEPPER]
  const [current = NO_PEPPER] = peppers
  const pool = inTurns(bcryptPool(), turnOf)

  return {
    async hash(password) {
      return `hs384:${current.id}:${await pool.hash(keyed(current.key, password), rounds)}`
    },
    async verify({ hash, password }) {
      const stored = read(hash)
      const pepper = stored && peppers.find(({ id }) => id === stored.pepperId)
      if (stored && stored.pepperId === null) {
        const plain = normalPassword(password)
        const fits = await pool.compare(plain, stored.bcrypt, rounds)
        // bcrypt would take any password that begins with the 72 bytes it knows.
        return fits && Buffer.byteLength(plain) <= PLAIN_BYTES
      }
      if (!stored || !pepper) {
        await pool.hash(keyed(current.key, password), rounds)
        return false
      }
      return pool.compare(keyed(pepper.key, password), stored.bcrypt, rounds)
    },
    isOutdated(hash) {
      const stored = read(hash)
      return stored?.pepperId !== current.id || stored.rounds < rounds
    },
    requireRoom: pool.requireRoom,
    requirePlace: pool.requirePlace,
    isBusy: pool.isBusy,
  }
}

/** A stored hash in its parts; null for anything else. Without a keyed hash the pepper's id is null. */
function read(hash: string): { pepperId: string | null; bcrypt: string; rounds: number } | null {
  const [, pepperId = null, bcrypt = ''] = /^(?:hs384:([a-z0-9]+):)?(.*)$/s.exec(hash) ?? []
  const rounds = BCRYPT.exec(bcrypt)?.[1]
  return rounds ? { pepperId, bcrypt, rounds: Number(rounds) } : null
}

const named = (key: string) => ({
  id: createHmac('sha384', key).update('tollgate pepper id').digest('hex').slice(0, 8),
  key,
})

/** The form in which a password counts: composed and decomposed letters are the same one, blanks stay. */
export const normalPassword = (typed: string): string => typed.normalize('NFKC')

/** 64 characters. */
const keyed = (key: string, password: string): string =>
  createHmac('sha384', key).update(normalPassword(password)).digest('base64')
