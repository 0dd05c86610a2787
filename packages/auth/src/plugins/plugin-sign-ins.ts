/**
 * The sign-ins of the host's plugins: the right password of an address that nobody has proven is refused like a wrong
 * one, because otherwise a stranger who signed up with the address would learn whether it already had an account.
 *
 * @module
 */

import type { BetterAuthPlugin } from 'better-auth'
import { APIError, isAPIError } from 'better-auth/api'
import type { Endpoint } from '../http/endpoint.ts'

/** The refusal of a wrong password, by path, where a plugin has one of its own. */
const WRONG: Readonly<Record<string, { code: string; message: string }>> = {
  '/sign-in/username': {
    code: 'INVALID_USERNAME_OR_PASSWORD',
    message: 'Invalid username or password',
  },
}
const WRONG_EMAIL = { code: 'INVALID_EMAIL_OR_PASSWORD', message: 'Invalid email or password' }

/** The plugins with their sign-ins wrapped. @param paths those of the sign-ins */
export const withSameRefusals = (
  plugins: readonly BetterAuthPlugin[],
  paths: ReadonlySet<string>,
): BetterAuthPlugin[] =>
  plugins.map((plugin) => {
    const { endpoints = {} } = plugin
    const wrapped = Object.entries(endpoints as Record<string, Endpoint>).map(
      ([name, endpoint]) =>
        [name, paths.has(endpoint.path ?? '') ? sameRefusal(endpoint) : endpoint] as const,
    )
    return { ...plugin, endpoints: Object.fromEntries(wrapped) as typeof endpoints }
  })

/** A hook could not do this, because it cannot change the status of an answer. */
function sameRefusal<E extends Endpoint>(endpoint: E): E {
  const wrapped = async (ctx: unknown) => {
    try {
      return await endpoint(ctx)
    } catch (error) {
      if (!isAPIError(error) || error.body?.code !== 'EMAIL_NOT_VERIFIED') throw error
      throw new APIError('UNAUTHORIZED', WRONG[endpoint.path ?? ''] ?? WRONG_EMAIL)
    }
  }
  return Object.assign(wrapped, endpoint) as unknown as E
}
