/**
 * What is asked of every request before Better Auth sees it. One that changes something comes from our own
 * origin; its body is small, is what it says it is, and holds nothing the database cannot store. Whatever
 * else is refused with a status and a code of its own.
 *
 * @module
 */

import { sqlErrorOf } from '@repo/db'
import { readBody } from './body.ts'
import { AuthError } from './errors.ts'
import type { FieldCheck } from './fields.ts'

/** Of an address with its query. Node takes 16 KiB of headers in all. */
const MAX_URL = 12_288

/** Longer values are never ours. A browser's name is cut, because people cannot change it. */
const MAX_HEADER = 8_192
const MAX_USER_AGENT = 512
const READ_HEADERS = ['authorization', 'cookie', 'content-type', 'dpop', 'origin', 'referer']

/**
 * The request with its body read, or as it was where it has none.
 *
 * @throws `untrusted_origin` (403), `method_not_allowed` (405), `body_too_large` (413),
 *   `unsupported_media_type` (415), `invalid_request`, `invalid_email`, `field_not_allowed` (400),
 *   `raw_body_required` (500)
 */
export async function checkRequest(
  req: Request,
  baseURL: string,
  fields: FieldCheck,
): Promise<Request> {
  // No Web request may have them, and yet servers hand them on in what looks like one.
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
    // Better Auth looks again, and knows nothing of `Sec-Fetch-Site`.
    headers.set('origin', baseURL)
  }
  await fields.query(method, address)
  const text = await readBody(req)
  if (text === '') return new Request(url, { method, headers })
  const body = await fields.body(method, address, text, headers.get('content-type') ?? '')
  return new Request(url, { method, headers, body })
}

/** A copy of the headers. @throws `invalid_request` (400) */
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
 * A form or script of another site must not sign anybody in, out or up. Browsers name the origin of whatever
 * changes something; where an older one does not, it names at least the site. A page that sends no referrer
 * has the origin `null`, and the site says whether the page is ours: no page can set `Sec-Fetch-Site`.
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

/** A program that names itself in a header, which no page of another site can set unasked. */
const isForProgram = ({ headers }: Request): boolean =>
  headers.has('authorization') && !headers.has('cookie') && !headers.has('origin')

/** Programs ask here with a code or a secret of their own, from wherever they run; cookies count nothing. */
const isTokenEndpoint = ({ url }: Request): boolean =>
  /^\/api\/auth\/oauth2\/(token|introspect|revoke)$/.test(new URL(url).pathname)

/** The request with other headers. A host's may be of a class that `Request` takes only by its parts. */
export const withHeaders = (req: Request, headers: Headers): Request =>
  req.body ? new Request(req, { headers }) : new Request(req.url, { method: req.method, headers })

/** A unique index and a foreign key, by Prisma's names and by PostgreSQL's. */
const CONFLICTS = new Set<unknown>(['P2002', 'P2003', '23503', '23505'])

/**
 * Two requests that made the same row at once, or one that needs a row which another has deleted meanwhile: the
 * slower one may come again. Else what was thrown.
 */
export function conflictOf(thrown: unknown): unknown {
  const { code } = (thrown ?? {}) as { code?: unknown }
  return CONFLICTS.has(code) || CONFLICTS.has(sqlErrorOf(thrown).state)
    ? new AuthError('conflict', 'Another request was faster. Try again.')
    : thrown
}
