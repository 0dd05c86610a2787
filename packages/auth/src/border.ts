/**
 * What is asked of every request before Better Auth sees it. One that changes something comes from our own
 * origin; its body is small, is what it says it is, and holds nothing the database cannot store. Whatever
 * else is refused with a status and a code of its own.
 *
 * @module
 */

import { AuthError } from './errors.ts'

/** Far above any body there is here. */
const MAX_BODY_BYTES = 64 * 1024

/** Longer values fit no mail and no page. */
const MAX_LENGTH: Record<string, number> = {
  name: 200,
  email: 254,
  slug: 100,
  image: 2_048,
  logo: 2_048,
}

/**
 * The request with its body read, or as it was where it has none.
 *
 * @throws `untrusted_origin` (403), `method_not_allowed` (405), `body_too_large` (413),
 *   `unsupported_media_type` (415), `invalid_request` (400), `raw_body_required` (500)
 */
export async function checkRequest(req: Request, baseURL: string): Promise<Request> {
  if (/%00/.test(req.url)) throw new AuthError('invalid_request', 'The address holds a null byte.')
  // No Web request may have them, and yet servers hand them on in what looks like one.
  if (/^(connect|trace|track)$/i.test(req.method)) {
    throw new AuthError('method_not_allowed', 'The method is not supported.', {
      headers: { allow: 'GET, POST' },
    })
  }
  if (/^(GET|HEAD|OPTIONS)$/.test(req.method)) return req
  const { method, url } = req
  const headers = new Headers(req.headers)
  if (isTokenEndpoint(req)) {
    headers.delete('cookie')
  } else if (!isForProgram(req)) {
    requireOwnOrigin(req, baseURL)
    // Better Auth looks again, and knows nothing of `Sec-Fetch-Site`.
    headers.set('origin', baseURL)
  }
  const text = await readBody(req)
  if (text === '') return new Request(url, { method, headers })
  checkText(text, headers.get('content-type') ?? '')
  return new Request(url, { method, headers, body: text })
}

/**
 * A form or script of another site must not sign anybody in, out or up. Browsers name the origin of whatever
 * changes something; where an older one does not, it names at least the site.
 *
 * @throws `untrusted_origin` (403)
 */
export function requireOwnOrigin(req: Request, baseURL: string): void {
  const origin = req.headers.get('origin')
  const own =
    origin === null ? req.headers.get('sec-fetch-site') === 'same-origin' : origin === baseURL
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

/**
 * The whole body as text; empty where there is none.
 *
 * @throws `body_too_large` (413); `invalid_request` (400) for one that breaks off; `raw_body_required` (500)
 *   for one that the host has read before
 */
export async function readBody(req: Request): Promise<string> {
  const tooLarge = () =>
    new AuthError('body_too_large', `The body has more than ${MAX_BODY_BYTES} bytes.`, {
      headers: { connection: 'close' },
    })
  if (Number(req.headers.get('content-length') ?? 0) > MAX_BODY_BYTES) throw tooLarge()
  if (req.bodyUsed || req.body?.locked) {
    throw new AuthError(
      'raw_body_required',
      'The body was read before: hand the request on unread.',
    )
  }
  if (!req.body) return ''
  const parts: Uint8Array[] = []
  let size = 0
  const reader = req.body.getReader()
  const read = () =>
    reader.read().catch((cause: unknown) => {
      throw new AuthError('invalid_request', 'The body ended before it was complete.', { cause })
    })
  // The header may be missing or wrong, so what comes is counted.
  for (let next = await read(); !next.done; next = await read()) {
    size += next.value.byteLength
    // The rest is left where it is: cancelling would cut the connection before the answer, not after it.
    if (size > MAX_BODY_BYTES) throw tooLarge()
    parts.push(next.value)
  }
  return Buffer.concat(parts).toString('utf8')
}

function checkText(text: string, contentType: string): void {
  // As a whole: Better Auth takes whatever begins or ends like one of the two.
  const type = contentType.replace(/;.*/s, '').trim().toLowerCase()
  if (type === 'application/json') {
    const body = parse(text)
    if ('name' in body && typeof body.name !== 'string') {
      throw new AuthError('invalid_request', 'name is no text.')
    }
    checkValue(body)
  } else if (type === 'application/x-www-form-urlencoded') {
    for (const [key, value] of new URLSearchParams(text)) checkValue({ [key]: value })
  } else {
    throw new AuthError('unsupported_media_type', 'The body is neither JSON nor a form.')
  }
}

function parse(text: string): object {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new AuthError('invalid_request', 'The body is not JSON.', { cause })
  }
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value
  throw new AuthError('invalid_request', 'The body must be an object.')
}

function checkValue(value: unknown, key = '', depth = 0): void {
  if (depth > 8) throw new AuthError('invalid_request', 'The body is nested too deeply.')
  if (typeof value === 'string') checkString(value, key)
  if (value === null || typeof value !== 'object') return
  for (const [name, inner] of Object.entries(value)) {
    checkString(name, '')
    checkValue(inner, name, depth + 1)
  }
}

function checkString(value: string, key: string): void {
  if (value.includes('\0')) throw new AuthError('invalid_request', 'The body holds a null byte.')
  const max = Object.hasOwn(MAX_LENGTH, key) ? (MAX_LENGTH[key] as number) : MAX_BODY_BYTES
  if (value.length > max) {
    throw new AuthError('invalid_request', `${key} has more than ${max} characters.`)
  }
  if (key === 'name' && value.trim() === '') {
    throw new AuthError('invalid_request', 'name is empty.')
  }
}

/** Two requests that made the same row at once: the slower one may come again. Else what was thrown. */
export function conflictOf(thrown: unknown): unknown {
  const isUnique = (thrown as { code?: unknown } | null)?.code === 'P2002'
  return isUnique ? new AuthError('conflict', 'Another request was faster. Try again.') : thrown
}
