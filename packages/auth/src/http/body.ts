/**
 * Reads a request's body into fields. The body must be small, in UTF-8, and declared as JSON or a form. Each
 * field has one value, so that two readers cannot see different values.
 *
 * @module
 */

import { type BodyFailure, readText } from '@repo/core/http'
import { AuthError } from '../errors.ts'

/** The largest body that is read, in bytes; far more than any endpoint needs. */
const MAX_BODY_BYTES = 64 * 1024

/** The fields by name. The object has no prototype, so `__proto__` is a name like any other. */
export type Fields = Record<string, unknown>

/** The fields of a body. */
export interface Body {
  fields: Fields
  /** Whether the body was a form, in which every value is text. */
  isForm: boolean
}

/**
 * Reads the whole body as text, without a byte order mark; an empty string if there is no body.
 *
 * @throws `body_too_large` (413), `unsupported_media_type` (415); `invalid_request` (400), also for a body
 * that breaks off; `raw_body_required` (500) if the host has already read the body
 */
export async function readBody(req: Request): Promise<string> {
  const encoding = req.headers.get('content-encoding') ?? 'identity'
  if (encoding.trim().toLowerCase() !== 'identity') {
    throw new AuthError('unsupported_media_type', 'Send the body without a Content-Encoding.')
  }
  return readText(req, { limit: MAX_BODY_BYTES, failed })
}

function failed(failure: BodyFailure, cause?: unknown): AuthError {
  if (failure === 'too_large') {
    return new AuthError('body_too_large', `The body has more than ${MAX_BODY_BYTES} bytes.`, {
      headers: { connection: 'close' },
    })
  }
  if (failure === 'already_read') {
    return new AuthError(
      'raw_body_required',
      'The body was already read. Pass the request on unread.',
    )
  }
  const message =
    failure === 'not_utf8' ? 'The body must be UTF-8.' : 'The body ended before it was complete.'
  return new AuthError('invalid_request', message, { cause })
}

/**
 * Parses the fields of `text`. If a JSON object has a name twice, the last value counts.
 *
 * @param mayRepeat whether a form may repeat this field, whose value is then a list
 * @throws `unsupported_media_type` (415), `invalid_request` (400)
 */
export function fieldsOf(
  text: string,
  contentType: string,
  mayRepeat: (name: string) => boolean,
): Body {
  // The type is compared as a whole, because Better Auth accepts anything that begins or ends like one.
  const [type = '', ...parameters] = contentType.split(';').map((part) => part.trim().toLowerCase())
  const charset = parameters.find((parameter) => parameter.startsWith('charset'))
  if (charset !== undefined && !/^charset\s*=\s*"?(utf-?8|us-ascii)"?$/.test(charset)) {
    throw new AuthError('unsupported_media_type', 'The body must be UTF-8.')
  }
  if (type === 'application/json') return { fields: fromJson(text), isForm: false }
  if (type === 'application/x-www-form-urlencoded') {
    return { fields: collect(new URLSearchParams(text), mayRepeat), isForm: true }
  }
  throw new AuthError('unsupported_media_type', 'The body must be JSON or a form.')
}

function fromJson(text: string): Fields {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new AuthError('invalid_request', 'The body must be valid JSON.', { cause })
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new AuthError('invalid_request', 'The body must be a JSON object.')
  }
  return Object.assign(Object.create(null), value)
}

/**
 * The parameters by name.
 *
 * @throws `invalid_request` (400) for a parameter that occurs twice
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
    // The list is extended in place, because a form may repeat a field thousands of times.
    if (Array.isArray(present)) present.push(value)
    else fields[name] = present === undefined ? value : [present, value]
  }
  return fields
}

/** A field's name for an error message; "A field" if the name looks unusual. */
export const shown = (name: string): string => (/^[\w.-]{1,64}$/.test(name) ? name : 'A field')
