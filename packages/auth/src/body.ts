/**
 * A request's body as its fields. It is UTF-8, JSON or a form, small, and says so; each field has one value, so
 * that no two readers of it can take different ones.
 *
 * @module
 */

import { AuthError } from './errors.ts'

/** Far above any body there is here. */
const MAX_BODY_BYTES = 64 * 1024

/** The fields by name, with no prototype: `__proto__` is a name like any other. */
export type Fields = Record<string, unknown>

/** A body that was read. */
export interface Body {
  fields: Fields
  /** Whether it came as a form, whose values are text. */
  isForm: boolean
}

/**
 * The whole body as text; empty where there is none. A byte order mark is left out.
 *
 * @throws `body_too_large` (413), `unsupported_media_type` (415), `invalid_request` (400) also for a body that
 *   breaks off, `raw_body_required` (500) for one that the host has read before
 */
export async function readBody(req: Request): Promise<string> {
  const encoding = req.headers.get('content-encoding') ?? 'identity'
  if (encoding.trim().toLowerCase() !== 'identity') {
    throw new AuthError('unsupported_media_type', 'Send the body without a Content-Encoding.')
  }
  const bytes = await bytesOf(req)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new AuthError('invalid_request', 'The body is not UTF-8.', { cause })
  }
}

async function bytesOf(req: Request): Promise<Uint8Array> {
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
  if (!req.body) return new Uint8Array()
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
  return Buffer.concat(parts)
}

/**
 * The fields of `text`. Of a name that JSON has twice the last value counts.
 *
 * @param mayRepeat whether a form may have this field more than once; its values are then a list
 * @throws `unsupported_media_type` (415), `invalid_request` (400)
 */
export function fieldsOf(
  text: string,
  contentType: string,
  mayRepeat: (name: string) => boolean,
): Body {
  // As a whole: Better Auth takes whatever begins or ends like one of the two.
  const [type = '', ...parameters] = contentType.split(';').map((part) => part.trim().toLowerCase())
  const charset = parameters.find((parameter) => parameter.startsWith('charset'))
  if (charset !== undefined && !/^charset\s*=\s*"?(utf-?8|us-ascii)"?$/.test(charset)) {
    throw new AuthError('unsupported_media_type', 'The body must be UTF-8.')
  }
  if (type === 'application/json') return { fields: fromJson(text), isForm: false }
  if (type === 'application/x-www-form-urlencoded') {
    return { fields: collect(new URLSearchParams(text), mayRepeat), isForm: true }
  }
  throw new AuthError('unsupported_media_type', 'The body is neither JSON nor a form.')
}

function fromJson(text: string): Fields {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new AuthError('invalid_request', 'The body is not JSON.', { cause })
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new AuthError('invalid_request', 'The body must be an object.')
  }
  return Object.assign(Object.create(null), value)
}

/**
 * The parameters by name.
 *
 * @throws `invalid_request` (400) for one that occurs twice
 */
export function collect(
  parameters: URLSearchParams,
  mayRepeat: (name: string) => boolean = () => false,
): Fields {
  const fields: Record<string, string | string[]> = Object.create(null)
  for (const [name, value] of parameters) {
    const present = fields[name]
    if (present !== undefined && !mayRepeat(name)) {
      throw new AuthError('invalid_request', `${shown(name)} occurs more than once.`)
    }
    // Added to and not copied: a form may have thousands.
    if (Array.isArray(present)) present.push(value)
    else fields[name] = present === undefined ? value : [present, value]
  }
  return fields
}

/** A field's name in an error: as it is where it looks like one. */
export const shown = (name: string): string => (/^[\w.-]{1,64}$/.test(name) ? name : 'A field')
