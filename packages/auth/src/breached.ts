/**
 * Passwords known from breaches, asked of Have I Been Pwned through Better Auth's own function: it sends
 * five characters of a SHA-1 hash and looks for the rest in the answer.
 *
 * Without an answer the password is taken: a service of others must not decide whether people can sign
 * up here or get back in.
 *
 * @see https://haveibeenpwned.com/API/v3#PwnedPasswords
 * @module
 */

import type { Logger } from '@repo/core'
import { APIError } from 'better-auth/api'
import { isPasswordCompromised } from 'better-auth/plugins/haveibeenpwned'

/** Whether a password is known from a breach. What it throws counts as no answer. */
export type IsBreached = (password: string) => Promise<boolean>

const TIMEOUT_MS = 2_000

/** @throws `password_compromised`, an HTTP 400 */
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
      // The error of the service, which knows no more of the password than it was told.
      logger.warn(
        { error },
        'a password was taken without asking whether it is known from a breach',
      )
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
