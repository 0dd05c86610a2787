/** Better Auth's browser client, configured for this package's server. */

import { createAuthClient as create } from 'better-auth/client'
import { organizationClient } from 'better-auth/client/plugins'

/** @param baseURL the host's origin. Default: where the page is. */
export function createAuthClient(baseURL?: string) {
  return create({ ...(baseURL ? { baseURL } : {}), plugins: [organizationClient()] })
}

export { createFetch } from './client-fetch.ts'
