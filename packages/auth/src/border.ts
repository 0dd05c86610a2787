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
 * @throws `untrusted_origin` (403), `body_too_large` (413), `unsupported_media_type` (415),
 *   `invalid_request` (400)
 */
export async function checkRequest(req: Request, baseURL: string): Promise<Request> {
  if (/%00/.test(req.url)) throw new AuthError('invalid_request', 'The address holds a null byte.')
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

/** The whole body as text; empty where there is none. @throws `body_too_large` (413) */
export async function readBody(req: Request): Promise<string> {
  const tooLarge = () =>
    new AuthError('body_too_large', `The body has more than ${MAX_BODY_BYTES} bytes.`, {
      headers: { connection: 'close' },
    })
  if (Number(req.headers.get('content-length') ?? 0) > MAX_BODY_BYTES) throw tooLarge()
  if (!req.body) return ''
  const parts: Uint8Array[] = []
  let size = 0
  const reader = req.body.getReader()
  // The header may be missing or wrong, so what comes is counted.
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
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

/**
 * Two requests that made the same row at once, or one that needs a row which another has deleted meanwhile: the
 * slower one may come again. Else what was thrown.
 */
export function conflictOf(thrown: unknown): unknown {
  const code = (thrown as { code?: unknown } | null)?.code
  return code === 'P2002' || code === 'P2003'
    ? new AuthError('conflict', 'Another request was faster. Try again.')
    : thrown
}
