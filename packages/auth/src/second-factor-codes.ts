/**
 * The codes of a second factor: six digits of an authenticator app, and backup codes. Each is good once,
 * whatever request it comes with: one statement of the database takes it, so of several at the same time one
 * gets it. A code counts as people read and type it, with blanks, dashes, full-width digits or capitals.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6238#section-5.2
 * @see https://pages.nist.gov/800-63-4/sp800-63b.html
 * @module
 */

import { createHmac, randomBytes } from 'node:crypto'
import { createOTP } from '@better-auth/utils/otp'
import type { Database } from '@repo/db'
import { APIError } from 'better-auth/api'

/** Wrong codes in a row that lock an account's codes, and for how long. */
export const MAX_TRIES = 10
export const LOCK_SECONDS = 900

const STEP_MS = 30_000

/** Letters and digits of what was typed, in the form that a plain keyboard gives them. */
const bare = (typed: string) => typed.normalize('NFKC').replace(/[^\p{L}\p{N}]/gu, '')

/** The value of a decimal digit of any script: their blocks begin with a zero and hold ten. */
function digitOf(character: string): string {
  const at = character.codePointAt(0) ?? 0
  let value = 0
  while (/\p{Nd}/u.test(String.fromCodePoint(at - value - 1))) value += 1
  return String(value % 10)
}

/** Six digits as an app shows them: `123 456`, `123-456`, in whatever digits the keyboard has. */
export const totpOf = (typed: string): string => bare(typed).replace(/\p{Nd}/gu, digitOf)

// Crockford's: none of these letters and digits is taken for another.
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const CODES = 10
const CODE_LENGTH = 10

/** A backup code as it is hashed: without dash, in small letters, and an o is a zero. */
export const backupCodeOf = (typed: string): string =>
  bare(typed).toLowerCase().replaceAll('o', '0').replace(/[il]/g, '1')

function newBackupCode(): string {
  const letters = [...randomBytes(CODE_LENGTH)].map((byte) => ALPHABET[byte % ALPHABET.length])
  return `${letters.slice(0, 5).join('')}-${letters.slice(5).join('')}`
}

/** Better Auth's `backupCodeOptions`: new codes, and how they are stored: as keyed hashes. */
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
 * Counts a try before the code is looked at, so that no number of requests at once gets more tries.
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

/** A right code ends the count of wrong ones. */
export async function forgetTries(db: Database, userId: string): Promise<void> {
  await db.twoFactor.updateMany({
    where: { userId },
    data: { failedVerificationCount: 0, lockedUntil: null },
  })
}

/**
 * Takes the half-minute of a code of the app with this `secret`: nobody takes it again, nor an older one.
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

/** Takes the backup code with this hash out of the list. @throws `invalid_backup_code` (401) */
export async function takeBackupCode(db: Database, userId: string, hash: string): Promise<void> {
  const taken = await db.$executeRaw`
    UPDATE "TwoFactor" SET "backupCodes" = ("backupCodes"::jsonb - ${hash}::text)::text
    WHERE "userId" = ${userId} AND jsonb_exists("backupCodes"::jsonb, ${hash}::text)`
  if (taken !== 1) throw refusal('invalid_backup_code', 'The backup code is wrong or used.')
}

const refusal = (code: string, message: string) => new APIError('UNAUTHORIZED', { code, message })
