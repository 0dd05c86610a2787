/**
 * A body that was read before us, by a body parser of Express for one: its bytes where they were kept, else
 * the same content written anew. What cannot be written anew without changing its meaning is refused.
 *
 * @module
 */

import type { IncomingMessage } from 'node:http'
import { TollgateError } from '../errors.ts'

export interface KeptBody {
  bytes: Uint8Array
  /** These are not the bytes that were sent: a signature over those does not fit them. */
  isRebuilt: boolean
}

/**
 * Null where nobody has read the body.
 *
 * @throws `body_not_rebuildable` (400), `raw_body_required` (500)
 */
export function keptBody(req: IncomingMessage): KeptBody | null {
  // A parser that does not know the type of a body leaves it unread, and may set `body` all the same.
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
  const type = contentType.replace(/;.*/s, '').trim().toLowerCase()
  if (type === 'application/x-www-form-urlencoded') return formOf(body)
  if (/^application\/(?:[\w.+-]+\+)?json$/.test(type)) return jsonOf(body)
  throw notRebuildable(`of the type ${type === '' ? 'none' : type}`)
}

function jsonOf(body: unknown): string {
  try {
    const text = JSON.stringify(body)
    if (typeof text === 'string') return text
  } catch {
    // A parser may make what JSON cannot say.
  }
  throw notRebuildable('that JSON cannot say')
}

/** Texts and lists of texts; `a[b]=c` cannot be told from what else a parser makes an object of. */
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
    `A body ${what} was parsed before the handler got it and cannot be written anew. ${ADVICE}`,
  )

const rawBodyRequired = () =>
  new TollgateError(
    'raw_body_required',
    500,
    `The body was read before the handler got it, and its bytes were not kept. ${ADVICE}`,
  )
