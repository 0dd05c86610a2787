/**
 * Takes over a body that a body parser, such as `express.json()`, read before the adapter. The original bytes
 * are used if the parser kept them; otherwise the parsed value is serialized again. A value that cannot be
 * serialized without changing its meaning is refused.
 *
 * @module
 */

import type { IncomingMessage } from 'node:http'
import { TollgateError } from '../errors.ts'

export interface KeptBody {
  bytes: Uint8Array
  /** True if the bytes differ from those sent, so that a signature over the body cannot be verified. */
  isRebuilt: boolean
}

/**
 * Returns null if nothing has read the body yet.
 *
 * @throws `body_not_rebuildable` (400), `raw_body_required` (500)
 */
export function keptBody(req: IncomingMessage): KeptBody | null {
  // A body parser ignores a body of another type, but may still set `req.body`.
  if (!req.readableDidRead && !req.readableEnded) return null
  const { rawBody, body } = req as { rawBody?: unknown; body?: unknown }
  if (!req.readableEnded) throw rawBodyRequired()
  if (rawBody instanceof Uint8Array) return { bytes: rawBody, isRebuilt: false }
  if (body instanceof Uint8Array) return { bytes: body, isRebuilt: false }
  if (body === undefined) throw rawBodyRequired()
  return { bytes: Buffer.from(textOf(body, req.headers['content-type'] ?? '')), isRebuilt: true }
}

function textOf(body: unknown, contentType: string): string {
  if (typeof body === 'string') return body
  const type = contentType
    .replace(/;[\s\S]*/, '')
    .trim()
    .toLowerCase()
  if (type === 'application/x-www-form-urlencoded') return formOf(body)
  if (/^application\/(?:[\w.+-]+\+)?json$/.test(type)) return jsonOf(body)
  throw notRebuildable(type === '' ? 'without a content type' : `of the type ${type}`)
}

function jsonOf(body: unknown): string {
  try {
    const text = JSON.stringify(body)
    if (typeof text === 'string') return text
  } catch {
    // The parser produced a value that JSON cannot express.
  }
  throw notRebuildable('with values that JSON does not have')
}

/** Accepts strings and lists of strings. A nested field (`a[b]=c`) could be serialized in more than one way. */
function formOf(body: unknown): string {
  const form = new URLSearchParams()
  if (typeof body !== 'object' || body === null) throw notRebuildable('that is not a form')
  for (const [name, value] of Object.entries(body)) {
    for (const each of [value].flat()) {
      if (typeof each !== 'string') throw notRebuildable('with nested fields')
      form.append(name, each)
    }
  }
  return form.toString()
}

const ADVICE = 'Mount toNodeHandler before body parsers.'

const notRebuildable = (what: string) =>
  new TollgateError(
    'body_not_rebuildable',
    400,
    `A body ${what} was parsed before the handler got it and cannot be serialized again. ${ADVICE}`,
  )

const rawBodyRequired = () =>
  new TollgateError(
    'raw_body_required',
    500,
    `The body was read before the handler got it, and its bytes were not kept. ${ADVICE}`,
  )
