/** Better Auth's browser client, configured for this package's server. */

import { passkeyClient } from '@better-auth/passkey/client'
import { createAuthClient as create } from 'better-auth/client'
import { magicLinkClient, organizationClient, twoFactorClient } from 'better-auth/client/plugins'

/** @param baseURL the host's origin. Default: where the page is. */
export function createAuthClient(baseURL?: string) {
  return create({
    ...(baseURL ? { baseURL } : {}),
    plugins: [organizationClient(), magicLinkClient(), passkeyClient(), twoFactorClient()],
  })
}
