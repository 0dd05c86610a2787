/**
 * The option `oauth`, and the registration of an OAuth client.
 *
 * @module
 */

import { AuthError } from '../errors.ts'

/** The option `oauth`. */
export interface OAuthServerOptions {
  /** The scopes of tokens, in the host's own words, such as `bookings:read`. */
  scopes: string[]
  /** The host's page that asks for consent. It gets the request's signed query. Default `/consent`. */
  consentPage?: string
}

/** Checks the option. @throws `invalid_options` for a malformed scope */
export function requireScopes({ scopes }: OAuthServerOptions): void {
  for (const scope of scopes) {
    if (!/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope)) {
      throw new AuthError(
        'invalid_options',
        `"${scope}" is not a valid scope. Use printable ASCII without spaces, quotes and backslashes.`,
      )
    }
  }
}

/** An OAuth client to register. */
export interface NewOAuthClient {
  /** The name that users see when they are asked to allow the client. */
  name: string
  /** The scopes that the client may ask for. */
  scopes: string[]
  /** The addresses that users return to. Without any, the client is a service with client credentials. */
  redirectUris?: string[]
  /** Whether the client can keep a secret; a client in a browser or on a phone cannot. Default true. */
  isConfidential?: boolean
}

/** The credentials of a new OAuth client. */
export interface OAuthClientKeys {
  clientId: string
  /** Shown only once and stored hashed. Null for a public client. */
  clientSecret: string | null
}

/** The server function of Better Auth's plugin that is used here. */
interface CreateClient {
  adminCreateOAuthClient?(input: { headers: Headers; body: Record<string, unknown> }): Promise<{
    client_id: string
    client_secret?: string
  }>
}

/**
 * Registers a client. @throws `invalid_options` if the option `oauth` is not set; Better Auth's own errors
 */
export async function createOAuthClient(
  api: unknown,
  req: Request,
  { name, scopes, redirectUris, isConfidential = true }: NewOAuthClient,
): Promise<OAuthClientKeys> {
  const create = (api as CreateClient).adminCreateOAuthClient
  if (!create) throw new AuthError('invalid_options', 'Set the option `oauth` of createAuth first.')
  const flow = redirectUris
    ? {
        redirect_uris: redirectUris,
        // On a phone or a desktop, users return to an address of that device.
        application_type: redirectUris.every((uri) => uri.startsWith('https:')) ? 'web' : 'native',
        grant_types: ['authorization_code', 'refresh_token'],
        scope: scopes.join(' '),
        token_endpoint_auth_method: isConfidential ? 'client_secret_basic' : 'none',
      }
    : {
        grant_types: ['client_credentials'],
        client_credentials_scopes: scopes,
        token_endpoint_auth_method: 'client_secret_basic',
      }
  const made = await create({ headers: req.headers, body: { client_name: name, ...flow } })
  return { clientId: made.client_id, clientSecret: made.client_secret ?? null }
}
