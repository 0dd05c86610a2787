/**
 * Refuses passwords that are known from a breach. Better Auth's own function asks Have I Been Pwned: it sends
 * the first five characters of a SHA-1 hash and looks for the rest in the answer.
 *
 * Without an answer the password is accepted, because an outside service must not decide whether people can
 * sign up or get back in.
 *
 * @see https://haveibeenpwned.com/API/v3#PwnedPasswords
 * @module
 */

import type { Logger } from '@repo/core'
import { APIError } from 'better-auth/api'
import { isPasswordCompromised } from 'better-auth/plugins/haveibeenpwned'

/** Whether a password is known from a breach. An error counts as no answer. */
export type IsBreached = (password: string) => Promise<boolean>

/** How long an answer may take. */
const TIMEOUT_MS = 2_000

/** Throws if the password is known from a breach. @throws `password_compromised` (400) */
export async function requireUnbreached(
  password: string,
  option: boolean | IsBreached,
  logger: Logger,
): Promise<void> {
  if (option === false) return
  const isBreached = option === true ? isPasswordCompromised : option
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((_, fail) => {
    timer = setTimeout(() => fail(new Error(`no answer in ${TIMEOUT_MS} ms`)), TIMEOUT_MS)
  })
  const asked = Promise.resolve(password).then(isBreached)
  const found = await Promise.race([asked, late])
    .catch((error: unknown) => {
      // The service's error holds no more of the password than the service was sent.
      logger.warn({ error }, 'a password was accepted without a check for breaches')
      return false
    })
    .finally(() => clearTimeout(timer))
  asked.catch(() => {})
  if (!found) return
  throw new APIError('BAD_REQUEST', {
    code: 'password_compromised',
    message: 'The password is known from a breach. Choose another.',
  })
}
