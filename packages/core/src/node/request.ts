/**
 * Builds a Web request from Node's request. A request that the Web's `Request` cannot represent is refused
 * with an HTTP status.
 *
 * @module
 */

import type { IncomingMessage } from 'node:http'
import { TollgateError } from '../errors.ts'
import { markParsed } from '../parsed-body.ts'
import { streamOf } from './body.ts'
import { keptBody } from './kept-body.ts'
import { urlOf } from './target.ts'

/** The syntax of a method. Node checks it for HTTP/1 and not for HTTP/2. */
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/

/** Headers that may occur only once in a request. Node would drop the second one or join it to the first. */
const SINGLE = new Set(['authorization', 'content-type', 'host', 'origin'])

/**
 * The Web request with the given signal, and `release`, which must be called once the response was sent.
 *
 * @throws `method_not_allowed` (405), `invalid_target`, `invalid_header`, `body_not_rebuildable` (400),
 *   `raw_body_required` (500)
 */
export function webRequestOf(
  req: IncomingMessage,
  origin: string,
  signal: AbortSignal,
): { request: Request; release: () => void } {
  const method = methodOf(req)
  const url = urlOf(req, origin)
  const headers = headersOf(req)
  const init = { method, headers, signal }
  if (!hasBody(req, method)) return { request: new Request(url, init), release() {} }
  const kept = keptBody(req)
  if (kept) {
    // These headers describe the bytes on the wire, which may have been compressed.
    for (const name of ['content-encoding', 'transfer-encoding']) headers.delete(name)
    headers.set('content-length', String(kept.bytes.byteLength))
    const request = new Request(url, { ...init, body: kept.bytes as Uint8Array<ArrayBuffer> })
    if (kept.isRebuilt) markParsed(request)
    return { request, release() {} }
  }
  const { body, release } = streamOf(req)
  return { request: new Request(url, { ...init, body, duplex: 'half' } as RequestInit), release }
}

/** @throws `method_not_allowed` (405) for a method that the Web's `Request` refuses */
function methodOf({ method = 'GET' }: IncomingMessage): string {
  if (TOKEN.test(method) && !/^(connect|trace|track)$/i.test(method)) return method
  throw new TollgateError('method_not_allowed', 405, 'The method is not supported.', {
    headers: { allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' },
  })
}

/**
 * The headers as middleware left them: a header that middleware removed stays removed.
 *
 * @throws `invalid_header` (400)
 */
function headersOf(req: IncomingMessage): Headers {
  const seen = new Set<string>()
  for (let at = 0; at < req.rawHeaders.length; at += 2) {
    const name = (req.rawHeaders[at] ?? '').toLowerCase()
    if (seen.has(name)) throw invalidHeader(`The header ${name} was sent twice.`)
    if (SINGLE.has(name)) seen.add(name)
  }
  const headers = new Headers()
  for (const [name, value] of Object.entries(req.headers)) {
    // HTTP/2 keeps the pseudo-headers of the request line among the headers.
    if (name.startsWith(':')) continue
    for (const each of [value ?? []].flat()) append(headers, name, each)
  }
  return headers
}

function append(headers: Headers, name: string, value: string): void {
  try {
    headers.append(name, value)
  } catch {
    throw invalidHeader('A header holds a character that headers must not hold.')
  }
}

function hasBody(req: IncomingMessage, method: string): boolean {
  if (/^(get|head)$/i.test(method)) return false
  if (req.httpVersionMajor > 1) return true
  const { 'content-length': length, 'transfer-encoding': encoding } = req.headers
  return encoding !== undefined || (length !== undefined && Number(length) !== 0)
}

const invalidHeader = (message: string) => new TollgateError('invalid_header', 400, message)
