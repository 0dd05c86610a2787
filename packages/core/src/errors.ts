/**
 * The common form of every error: a stable `code`, an HTTP `status`, and a message for people.
 *
 * @module
 */

/** The options of an error. */
export interface ErrorOptionsWithHeaders {
  /** The error that led to this one. It is logged and never answered. */
  cause?: unknown
  /** Headers of the HTTP response, e.g. `{ 'retry-after': '30' }`. */
  headers?: Record<string, string>
  /** The title of the HTTP response. Default: the name of the status. */
  title?: string
}

/**
 * The base class of the errors of every package. Branch on `code`. The message is for people: it names the
 * conflicting values, and never contains a token, key, payload or e-mail address.
 */
export class TollgateError<Code extends string = string> extends Error {
  override readonly name: string = 'TollgateError'
  /** A stable identifier in lower_snake_case. */
  readonly code: Code
  /** The HTTP status that fits the error. */
  readonly status: number
  /** Headers of the HTTP response, such as `retry-after`; empty unless the error was made with some. */
  readonly headers: Record<string, string>
  /** The title of the HTTP response. Undefined: the name of the status. */
  readonly title: string | undefined
  /**
   * The values behind the message, as the HTTP response has them. Set by classes whose errors have some; else
   * undefined.
   */
  declare readonly data: object | undefined

  constructor(code: Code, status: number, message: string, options: ErrorOptionsWithHeaders = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.status = status
    this.headers = options.headers ?? {}
    this.title = options.title
  }
}

/**
 * Whether `error` is a Tollgate error and, if `code` is given, has that code. Compares the shape and not the
 * class, because a copied package and a workspace package can meet in one process.
 */
export function isTollgateError<Code extends string = string>(
  error: unknown,
  code?: Code,
): error is TollgateError<Code> {
  if (!(error instanceof Error)) return false
  const shaped = error as Partial<TollgateError>
  if (typeof shaped.code !== 'string' || typeof shaped.status !== 'number') return false
  if (!error.name.endsWith('Error') || typeof shaped.headers !== 'object') return false
  return code === undefined || shaped.code === code
}

/**
 * The HTTP response for an error, as `application/problem+json` (RFC 9457) with `code` beside the standard
 * members, and `data` where the error has some. Any error that is not a Tollgate error becomes a bare 500, so
 * that its message stays internal.
 *
 * @example
 * ```ts
 * import { toResponse } from '@repo/core'
 *
 * export async function answer(work: () => Promise<unknown>): Promise<Response> {
 *   try {
 *     return Response.json(await work())
 *   } catch (error) {
 *     return toResponse(error)
 *   }
 * }
 * ```
 */
export function toResponse(error: unknown): Response {
  const known = isTollgateError(error)
  const status = known ? error.status : 500
  const body = {
    type: 'about:blank',
    title: (known && error.title) || (titles[status] ?? 'Error'),
    status,
    code: known ? error.code : 'internal_error',
    detail: known ? error.message : 'Something went wrong on our side.',
    // Left out of the JSON where it is undefined.
    data: known ? error.data : undefined,
  }
  return new Response(JSON.stringify(body), {
    status,
    headers: {
      ...(known ? error.headers : {}),
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
    },
  })
}

const titles: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
}
