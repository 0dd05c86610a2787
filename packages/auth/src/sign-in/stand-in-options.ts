/**
 * Where a stand-in for a provider is refused: an app that people reach under another name than this machine's has none,
 * because anybody signs in there as anybody.
 *
 * @module
 */

import { isLoopback, parseUrl } from '@repo/core'
import { AuthError } from '../errors.ts'
import type { Providers } from './provider-keys.ts'

/**
 * Checks the addresses of stand-ins. @throws `invalid_options` for one that is not a URL, or of an app that other
 * machines reach
 */
export function requireLocalStandIns(providers: Providers, baseURL: string): void {
  for (const id of ['github', 'google', 'microsoft'] as const) {
    const endpoint = providers[id]?.endpoint
    if (endpoint === undefined) continue
    if (!/^https?:$/.test(parseUrl(endpoint)?.protocol ?? '')) {
      throw new AuthError('invalid_options', `The endpoint of "${id}" must be an http(s) URL.`)
    }
    if (!isLoopback(parseUrl(baseURL)?.hostname ?? '')) {
      throw new AuthError(
        'invalid_options',
        `The endpoint of "${id}" is a stand-in, at which anybody signs in as anybody. It needs a base URL on this machine, such as http://localhost:3000. Remove ${id.toUpperCase()}_ENDPOINT, or the option endpoint.`,
      )
    }
  }
}
