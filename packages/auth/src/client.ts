/** Better Auth's browser client, configured for this package's server. */

import { passkeyClient } from '@better-auth/passkey/client'
import type { BetterAuthClientPlugin } from 'better-auth/client'
import { createAuthClient as create } from 'better-auth/client'
import { magicLinkClient, organizationClient, twoFactorClient } from 'better-auth/client/plugins'
import type { accounts } from './account/plugin.ts'

/** Adds `changeEmail.confirm`, `changeEmail.undo`, `deleteUser.cancel` and `exportUser` to the client. */
const accountClient = () =>
  ({
    id: 'tollgate-account',
    $InferServerPlugin: {} as ReturnType<typeof accounts>,
    pathMethods: { '/delete-user/cancel': 'POST', '/export-user': 'GET' },
  }) satisfies BetterAuthClientPlugin

/**
 * Makes Better Auth's browser client with the plugins of this package's server.
 *
 * @param baseURL the host's origin. Default: the page's origin.
 * @param fetchImpl for a program that keeps cookies itself. Default: the page's `fetch`.
 *
 * @example
 * ```ts
 * import { createAuthClient } from '@repo/auth/client'
 *
 * const client = createAuthClient()
 *
 * export const signIn = (email: string, password: string) =>
 *   client.signIn.email({ email, password })
 * ```
 */
export function createAuthClient(baseURL?: string, fetchImpl?: typeof fetch) {
  return create({
    ...(baseURL ? { baseURL } : {}),
    ...(fetchImpl ? { fetchOptions: { customFetchImpl: fetchImpl } } : {}),
    plugins: [
      organizationClient(),
      magicLinkClient(),
      passkeyClient(),
      twoFactorClient(),
      accountClient(),
    ],
  })
}

export { createFetch } from './http/client-fetch.ts'
