/**
 * Hashes passwords with bcrypt over a keyed hash. bcrypt reads 72 bytes and ignores the rest. The keyed hash
 * turns a password of any length into 64 characters, so every byte of the password counts, and nobody can
 * test guesses against a stolen table without the key.
 *
 * The stored form is `hs384:<pepper id>:<bcrypt>`. The pepper id is derived from the pepper, so that a hash
 * finds its pepper while peppers are rotated. Hashes that another system made are verified, too: plain bcrypt, scrypt
 * and argon2. They and hashes with an old pepper are replaced at the next sign-in.
 *
 * @see https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
 * @module
 */

import { createHmac } from 'node:crypto'
import { AuthError } from '../errors.ts'
import { bcryptPool, inTurns } from './bcrypt-pool.ts'
import { fitsImported, type ImportedHash, readImported } from './imported-hash.ts'
import { NO_CALLER, type Turn } from './turns.ts'

/** The shortest password, in code points of its normal form. */
export const MIN_PASSWORD_LENGTH = 10
/** The longest password, in code points of its normal form. */
export const MAX_PASSWORD_LENGTH = 128

/** Fewer rounds make guessing too cheap; more than `MAX_ROUNDS` make people wait for seconds. */
export const MIN_ROUNDS = 12
const MAX_ROUNDS = 15

/**
 * The number of rounds for `createTestAuth`, so that tests need not wait for hashes. It is a symbol so that
 * no host can set it in a configuration.
 */
export const TEST_ROUNDS = Symbol('bcrypt rounds in tests')

/**
 * Without a pepper this key is public, and only makes long passwords count in full. It is not derived from
 * the auth secret, because replacing that secret must not lock everybody out.
 */
const NO_PEPPER = { id: 'none', key: 'tollgate' }

/** bcrypt's own limit, for hashes that were made without the keyed hash. */
const PLAIN_BYTES = 72

/** The fewest rounds that bcrypt knows. */
const LEAST_STORED = 4

/** The form of a bcrypt hash, with its rounds. */
const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/

/** Hashes and verifies passwords. */
export interface Passwords {
  hash(password: string): Promise<string>
  /**
   * Whether the password fits. False for a malformed hash or an unknown pepper. Takes equally long in every
   * case. `typed` is the password before it was brought into its normal form. Default: `password`.
   */
  verify(entry: { hash: string; password: string; typed?: string }): Promise<boolean>
  /** Whether to replace a hash, because it has no keyed hash, another pepper or fewer rounds. */
  isOutdated(hash: string): boolean
  /** Call it before a token is used up. @throws `too_busy` (503) if a hash might soon be refused */
  requireRoom(): void
  /** Call it before a request is counted. @throws `too_busy` (503) if a hash would be refused now */
  requirePlace(): void
  /** Whether so many hashes wait that a caller notices. */
  isBusy(): boolean
}

/** The options of auth that are about passwords. */
export interface PasswordOptions {
  /** From 12, the default, to 15. */
  bcryptRounds?: number | undefined
  /** Keys of 32 characters or more. The first makes new hashes, and all verify. Default: none. */
  passwordPeppers?: readonly string[] | undefined
  [TEST_ROUNDS]?: number
}

/** Checks the options and returns the rounds. @throws `invalid_options` for rounds out of range, and for a short pepper */
export function requireRounds(options: PasswordOptions): number {
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
  return rounds
}

/**
 * Makes the functions. `turnOf` returns the caller for whom the next hash is made. Default: no caller.
 *
 * @throws `invalid_options` for rounds out of range, and for a short pepper
 */
export function createPasswords(
  options: PasswordOptions = {},
  turnOf: () => Turn = () => NO_CALLER,
): Passwords {
  const { passwordPeppers = [] } = options
  const rounds = requireRounds(options)
  const peppers = [...passwordPeppers.map(named), NO_PEPPER]
  const [current = NO_PEPPER] = peppers
  const pool = inTurns(bcryptPool(), turnOf)

  return {
    async hash(password) {
      return `hs384:${current.id}:${await pool.hash(keyed(current.key, password), rounds)}`
    },
    async verify({ hash, password, typed = password }) {
      const stored = read(hash)
      if (stored && 'imported' in stored) {
        const { imported } = stored
        return pool.checkPadded(() => fitsImported(imported, foreignPassword(hash, typed)), rounds)
      }
      const pepper = stored && peppers.find(({ id }) => id === stored.pepperId)
      if (stored && stored.pepperId === null) {
        const fits = await pool.compare(typed, stored.bcrypt, rounds)
        // bcrypt accepts every password that begins with the 72 bytes it read.
        return fits && Buffer.byteLength(typed) <= PLAIN_BYTES
      }
      if (!stored || !pepper) {
        await pool.hash(keyed(current.key, password), rounds)
        return false
      }
      return pool.compare(keyed(pepper.key, password), stored.bcrypt, rounds)
    },
    isOutdated(hash) {
      const stored = read(hash)
      if (stored === null || 'imported' in stored) return true
      return stored.pepperId !== current.id || stored.rounds < rounds
    },
    requireRoom: pool.requireRoom,
    requirePlace: pool.requirePlace,
    isBusy: pool.isBusy,
  }
}

/** A bcrypt hash as it is stored. */
export interface StoredBcrypt {
  /** Null: a hash without the keyed hash. */
  pepperId: string | null
  /** In the form that the native module compares. */
  bcrypt: string
  rounds: number
}

/**
 * The parts of a stored hash; null for a malformed one, and for a hash with more rounds than anybody should wait
 * for: 31 rounds take a day.
 */
export function read(hash: string): StoredBcrypt | { imported: ImportedHash } | null {
  const [, pepperId = null, bcrypt = ''] = /^(?:hs384:([a-z0-9]+):)?([\s\S]*)$/.exec(hash) ?? []
  const rounds = Number(BCRYPT.exec(bcrypt)?.[1] ?? Number.NaN)
  if (rounds >= LEAST_STORED && rounds <= MAX_ROUNDS) {
    // PHP writes `$2y$` for the algorithm that all others call `$2b$`, and the native module refuses that name.
    return { pepperId, bcrypt: bcrypt.replace(/^\$2y/, '$2b'), rounds }
  }
  const imported = readImported(hash)
  return imported && { imported }
}

const named = (key: string) => ({
  id: createHmac('sha384', key).update('tollgate pepper id').digest('hex').slice(0, 8),
  key,
})

/** The normal form of a password. It unifies composed and decomposed letters, and keeps spaces. */
export const normalPassword = (typed: string): string => typed.normalize('NFKC')

/**
 * The password as the system that made a foreign hash has read it. Better Auth and Lucia, who write `salt:key`, unify
 * letters as we do; others hash what was typed, and `²` is not `2` there.
 */
const foreignPassword = (hash: string, typed: string): string =>
  hash.startsWith('$') ? typed : normalPassword(typed)

/** The keyed hash of a password, 64 characters long. */
const keyed = (key: string, password: string): string =>
  createHmac('sha384', key).update(normalPassword(password)).digest('base64')
