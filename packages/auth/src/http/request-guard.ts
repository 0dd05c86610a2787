/**
 * Checks every request before Better Auth sees it. A request that changes something must come from our own
 * origin. Its body must be small, match its content type and hold only text that the database can store.
 * Every refusal has a status and a code.
 *
 * @module
 */

import { sqlErrorOf } from '@repo/db'
import { AuthError } from '../errors.ts'
import { readBody } from './body.ts'
import type { FieldCheck } from './fields.ts'

/** The longest URL with its query, in characters. Node accepts 16 KiB of headers in all. */
const MAX_URL = 12_288

/** The longest value of a header that we read, in characters; ours are never longer. */
const MAX_HEADER = 8_192
/** The browser's name is cut to this length and not refused, because people cannot change it. */
const MAX_USER_AGENT = 512
/** The headers whose length is checked. */
const READ_HEADERS = ['authorization', 'cookie', 'content-type', 'dpop', 'origin', 'referer']

/**
 * Checks the request and returns it with its body read.
 *
 * @throws `untrusted_origin` (403), `method_not_allowed` (405), `body_too_large` (413),
 * `unsupported_media_type` (415), `invalid_request`, `invalid_email`, `field_not_allowed` (400),
 * `raw_body_required` (500)
 */
export async function checkRequest(
  req: Request,
  baseURL: string,
  fields: FieldCheck,
): Promise<Request> {
  // A Web request cannot have these methods, but some servers pass them on in a look-alike.
  if (/^(connect|trace|track)$/i.test(req.method)) {
    throw new AuthError('method_not_allowed', 'The method is not supported.', {
      headers: { allow: 'GET, POST' },
    })
  }
  const { method, url } = req
  if (url.length > MAX_URL) {
    throw new AuthError('invalid_request', `The address has more than ${MAX_URL} characters.`)
  }
  if (/%00/.test(url)) throw new AuthError('invalid_request', 'The address holds a null byte.')
  const headers = checkHeaders(req)
  const address = new URL(url)
  if (/^(GET|HEAD|OPTIONS)$/.test(method)) {
    await fields.query(method, address)
    return withHeaders(req, headers)
  }
  if (isTokenEndpoint(req)) {
    headers.delete('cookie')
  } else if (!isForProgram(req)) {
    requireOwnOrigin(req, baseURL)
    // Better Auth checks the origin again, and does not read `Sec-Fetch-Site`.
    headers.set('origin', baseURL)
  }
  await fields.query(method, address)
  const text = await readBody(req)
  if (text === '') return new Request(url, { method, headers })
  const body = await fields.body(method, address, text, headers.get('content-type') ?? '')
  return new Request(url, { method, headers, body })
}

/** A copy of the headers, with a shortened user agent. @throws `invalid_request` (400) */
function checkHeaders({ headers }: Request): Headers {
  const copy = new Headers(headers)
  for (const name of READ_HEADERS) {
    if ((copy.get(name)?.length ?? 0) > MAX_HEADER) {
      throw new AuthError(
        'invalid_request',
        `The header ${name} has more than ${MAX_HEADER} characters.`,
      )
    }
  }
  const userAgent = copy.get('user-agent')
  if (userAgent) copy.set('user-agent', userAgent.slice(0, MAX_USER_AGENT))
  return copy
}

/**
 * Refuses requests that another site caused, so that no form or script there signs anybody in, out or up.
 * Browsers send `Origin` with every request that changes something; an older browser sends at least
 * `Sec-Fetch-Site`. A page without a referrer sends the origin `null`. Then `Sec-Fetch-Site` decides, because
 * no page can set that header.
 *
 * @see https://fetch.spec.whatwg.org/#append-a-request-origin-header
 * @throws `untrusted_origin` (403)
 */
export function requireOwnOrigin(req: Request, baseURL: string): void {
  const origin = req.headers.get('origin') ?? 'null'
  const own =
    origin === 'null' ? req.headers.get('sec-fetch-site') === 'same-origin' : origin === baseURL
  if (!own) throw new AuthError('untrusted_origin', 'The request was sent from another site.')
}

/**
 * Whether a program sent the request: it has `Authorization`, which a page of another site cannot set
 * unasked.
 */
const isForProgram = ({ headers }: Request): boolean =>
  headers.has('authorization') && !headers.has('cookie') && !headers.has('origin')

/**
 * Whether the request is for an endpoint where OAuth clients show a code or a secret. Cookies are ignored
 * there.
 */
const isTokenEndpoint = ({ url }: Request): boolean =>
  /^\/api\/auth\/oauth2\/(token|introspect|revoke)$/.test(new URL(url).pathname)

/**
 * The request with other headers. The host's request may be of a class that `Request` does not copy as a
 * whole.
 */
export const withHeaders = (req: Request, headers: Headers): Request =>
  req.body ? new Request(req, { headers }) : new Request(req.url, { method: req.method, headers })

/** The codes of a broken unique index or foreign key, from Prisma and from PostgreSQL. */
const CONFLICTS = new Set<unknown>(['P2002', 'P2003', '23503', '23505'])

/**
 * Turns a broken unique index or foreign key into `conflict` (409). It happens when two requests make the
 * same row at once, or when a row that is needed was deleted meanwhile. Returns every other error unchanged.
 */
export function conflictOf(thrown: unknown): unknown {
  const { code } = (thrown ?? {}) as { code?: unknown }
  return CONFLICTS.has(code) || CONFLICTS.has(sqlErrorOf(thrown).state)
    ? new AuthError('conflict', 'Another request was faster. Try again.')
    : thrown
}
