/**
 * Reads what a client sends to a token endpoint, and checks the client's secret: in the form or in the header, and
 * never in both.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
 * @module
 */

import type { Context as HonoContext } from 'hono'
import { readForm } from '../layout.tsx'
import type { OAuthClient, Refusal } from './grants.ts'

/** A request to a token endpoint whose client is known. */
export interface TokenRequest {
  fields: Record<string, string>
  client: OAuthClient
}

/** Reads the request: the form and the client, or why it is refused. */
export async function readTokenRequest(
  c: HonoContext,
  clients: readonly OAuthClient[],
): Promise<TokenRequest | { refusal: Refusal }> {
  const type = c.req.header('content-type') ?? ''
  if (!type.startsWith('application/x-www-form-urlencoded')) return { refusal: 'invalid_request' }
  const fields = await readForm(c)
  const header = basic(c.req.header('authorization'))
  if (header === null) return { refusal: 'invalid_client' }
  if (header && fields.client_secret !== undefined) return { refusal: 'invalid_request' }
  const clientId = header?.clientId ?? fields.client_id
  const clientSecret = header?.clientSecret ?? fields.client_secret
  const client = clients.find((each) => each.clientId === clientId)
  if (!client || client.clientSecret !== clientSecret) return { refusal: 'invalid_client' }
  return { fields, client }
}

/** The credentials of the header; undefined without one, null for one that cannot be read. */
function basic(header: string | undefined) {
  if (header === undefined) return undefined
  const encoded = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(header)?.[1]
  const text = encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 0) return null
  const decoded = (part: string) => decodeURIComponent(part.replaceAll('+', ' '))
  try {
    return {
      clientId: decoded(text.slice(0, colon)),
      clientSecret: decoded(text.slice(colon + 1)),
    }
  } catch {
    return null
  }
}
