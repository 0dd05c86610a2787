/**
 * The codes of the second factor: six digits of an authenticator app, and backup codes. Each code is good
 * once, whatever request it comes with: one database statement uses it up, so of several parallel requests
 * only one succeeds. A code may be typed with spaces, dashes, full-width digits or capitals.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6238#section-5.2
 * @see https://pages.nist.gov/800-63-4/sp800-63b.html
 * @module
 */

import { createHmac, randomBytes } from 'node:crypto'
import { createOTP } from '@better-auth/utils/otp'
import type { Database } from '@repo/db'
import { APIError } from 'better-auth/api'

/** How many wrong codes in a row lock an account's codes. */
export const MAX_TRIES = 10
/** How long they stay locked. */
export const LOCK_SECONDS = 900

/** The time that one code of an authenticator app lasts. */
const STEP_MS = 30_000

/** The letters and digits of the typed text, in the form of a plain keyboard. */
const bare = (typed: string) => typed.normalize('NFKC').replace(/[^\p{L}\p{N}]/gu, '')

/**
 * The value of a decimal digit of any script. In Unicode each script's ten digits are in a row, beginning
 * with zero.
 */
function digitOf(character: string): string {
  const at = character.codePointAt(0) ?? 0
  let value = 0
  while (/\p{Nd}/u.test(String.fromCodePoint(at - value - 1))) value += 1
  return String(value % 10)
}

/** The six digits of a typed code, such as `123 456` or `123-456`, in any script's digits. */
export const totpOf = (typed: string): string => bare(typed).replace(/\p{Nd}/gu, digitOf)

// Crockford's alphabet: no two of its letters and digits look alike.
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
/** How many backup codes a user gets. */
const CODES = 10
/** The length of a backup code without its dash. */
const CODE_LENGTH = 10

/**
 * The form of a backup code that is hashed: without the dash, in small letters, `o` as zero, `i` and `l` as
 * one.
 */
export const backupCodeOf = (typed: string): string =>
  bare(typed).toLowerCase().replaceAll('o', '0').replace(/[il]/g, '1')

function newBackupCode(): string {
  const letters = [...randomBytes(CODE_LENGTH)].map((byte) => ALPHABET[byte % ALPHABET.length])
  return `${letters.slice(0, 5).join('')}-${letters.slice(5).join('')}`
}

/** Makes Better Auth's `backupCodeOptions`: new codes, stored as keyed hashes. */
export function backupCodes(key: string) {
  const hash = (code: string) =>
    `hs256:${createHmac('sha256', key).update(backupCodeOf(code)).digest('base64url')}`
  return {
    hash,
    customBackupCodesGenerate: () => Array.from({ length: CODES }, newBackupCode),
    storeBackupCodes: {
      encrypt: async (codes: string) => JSON.stringify((JSON.parse(codes) as string[]).map(hash)),
      decrypt: async (stored: string) => stored,
    },
  }
}

/**
 * Counts a try before the code is compared, so that parallel requests get no more tries.
 *
 * @throws `account_temporarily_locked` (429)
 */
export async function countTry(db: Database, userId: string): Promise<void> {
  const counted = await db.$executeRaw`
    UPDATE "TwoFactor" SET
      "failedVerificationCount" = CASE WHEN "lockedUntil" IS NULL
        THEN "failedVerificationCount" + 1 ELSE 1 END,
      "lockedUntil" = CASE WHEN "lockedUntil" IS NULL AND "failedVerificationCount" + 1 >= ${MAX_TRIES}
        THEN now() + make_interval(secs => ${LOCK_SECONDS}) END
    WHERE "userId" = ${userId} AND ("lockedUntil" IS NULL OR "lockedUntil" <= now())`
  if (counted === 1) return
  throw new APIError(
    'TOO_MANY_REQUESTS',
    {
      code: 'account_temporarily_locked',
      message: 'Too many wrong codes. Try again in a quarter of an hour.',
    },
    { 'retry-after': String(LOCK_SECONDS) },
  )
}

/** Resets the count of wrong codes after a right one. */
export async function forgetTries(db: Database, userId: string): Promise<void> {
  await db.twoFactor.updateMany({
    where: { userId },
    data: { failedVerificationCount: 0, lockedUntil: null },
  })
}

/**
 * Uses up a code of the authenticator app with this `secret`. The same code and older codes are refused
 * afterwards.
 *
 * @throws `invalid_code`, `code_used` (401)
 */
export async function takeTotp(
  db: Database,
  userId: string,
  secret: string,
  typed: string,
): Promise<void> {
  const code = totpOf(typed)
  const otp = createOTP(secret)
  const now = Math.floor(Date.now() / STEP_MS)
  for (const step of [now - 1, now, now + 1]) {
    if ((await otp.hotp(step)) !== code) continue
    const { count } = await db.twoFactor.updateMany({
      where: { userId, OR: [{ lastUsedStep: null }, { lastUsedStep: { lt: step } }] },
      data: { lastUsedStep: step },
    })
    if (count === 1) return
    throw refusal('code_used', 'The code was used already. Wait for the next one.')
  }
  throw refusal('invalid_code', 'The code is wrong.')
}

/** Uses up the backup code with this hash. @throws `invalid_backup_code` (401) */
export async function takeBackupCode(db: Database, userId: string, hash: string): Promise<void> {
  const taken = await db.$executeRaw`
    UPDATE "TwoFactor" SET "backupCodes" = ("backupCodes"::jsonb - ${hash}::text)::text
    WHERE "userId" = ${userId} AND jsonb_exists("backupCodes"::jsonb, ${hash}::text)`
  if (taken !== 1) throw refusal('invalid_backup_code', 'The backup code is wrong or used.')
}

const refusal = (code: string, message: string) => new APIError('UNAUTHORIZED', { code, message })
