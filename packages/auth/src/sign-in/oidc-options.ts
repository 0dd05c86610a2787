/**
 * The option `oidc`: the OpenID Connect providers of a host.
 *
 * @module
 */

import { isLoopback, parseUrl } from '@repo/core'
import { AuthError } from '../errors.ts'

/** An OpenID Connect provider. */
export interface OidcProvider {
  /** The issuer exactly as in its discovery document, such as `https://id.example.com/realms/acme`. */
  issuer: string
  /** The host's id at the provider. */
  clientId: string
  /** Left out for a public client. PKCE is sent in both cases. */
  clientSecret?: string
  /** Scopes besides `openid profile email`. Default none. */
  scopes?: string[]
}

/** Providers by id. The callback is `/api/auth/callback/<id>`, and accounts are stored under the id. */
export type OidcProviders = Record<string, OidcProvider>

/** The ids that other ways to sign in use. */
const TAKEN = ['credential', 'github', 'google', 'microsoft']

/**
 * Checks the option. @throws `invalid_options` for a malformed or taken id, an issuer that is not a URL, and an issuer
 * on http of an app that other machines reach
 */
export function requireOidc(providers: OidcProviders = {}, baseURL: string): void {
  for (const [id, { issuer }] of Object.entries(providers)) {
    if (!/^[a-z][a-z0-9-]{0,39}$/.test(id) || TAKEN.includes(id)) {
      throw new AuthError(
        'invalid_options',
        `"${id}" cannot be the id of an OpenID Connect provider. Use lower-case letters, digits and dashes, and none of ${TAKEN.join(', ')}.`,
      )
    }
    if (!/^https?:$/.test(parseUrl(issuer)?.protocol ?? '')) {
      throw new AuthError('invalid_options', `The issuer of "${id}" must be an http(s) URL.`)
    }
    const isLocalApp = isLoopback(parseUrl(baseURL)?.hostname ?? '')
    // Whoever can change what is read over http signs in as anybody (OpenID Connect Discovery, 3).
    if (!isLocalApp && parseUrl(issuer)?.protocol === 'http:') {
      throw new AuthError(
        'invalid_options',
        `The issuer of "${id}" must begin with https. On http it needs a base URL on this machine, such as http://localhost:3000.`,
      )
    }
  }
}
