/**
 * The shape of the handler's errors. Every error is a problem+json document (RFC 9457) with a lower-case
 * `code`, whichever part of the code made it. `message` repeats `detail` for Better Auth's browser client.
 * Errors of the OAuth server keep the shape of RFC 6749, because other programs read them.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9457
 * @module
 */

import { TollgateError, toResponse } from '@repo/core'
import { isAPIError } from 'better-auth/api'
import { redirectPage, sameOriginPath } from './same-site.ts'

/** The codes for errors that come without one, such as the router's, by HTTP status. */
const CODES: Record<number, string> = {
  400: 'invalid_request',
  401: 'not_authenticated',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  409: 'conflict',
  413: 'body_too_large',
  415: 'unsupported_media_type',
  422: 'invalid_request',
  429: 'too_many_requests',
}

/** Better Auth's codes that have the same meaning as one of ours. */
const SAME: Record<string, string> = {
  session_not_fresh: 'recent_sign_in_required',
  unauthorized: 'not_authenticated',
}

/** The public form of a code: lower case. Better Auth writes its own codes in capitals. */
const plainCode = (code: string): string => {
  const plain = code.toLowerCase()
  return SAME[plain] ?? plain
}

/** The codes of `CODES`, and `internal_error` for every other status. */
export const GENERAL_CODES = [...new Set(Object.values(CODES)), 'internal_error']

/**
 * Returns an error in the one shape, with its headers and cookies. Returns any other answer, and any page,
 * unchanged.
 *
 * @param textOf the host's own text for a code
 */
export async function asProblem(
  answer: Response,
  textOf: (code: string) => string | null,
): Promise<Response> {
  const isPage = answer.headers.get('content-type')?.includes('html')
  if (answer.status < 400 || isPage) return answer
  const text = await answer.text().catch(() => '')
  const said = jsonOf(text)
  const { code, message, detail, error, ...rest } = (said ?? {}) as Record<string, unknown>
  if (typeof error === 'string' && code === undefined) return new Response(text, answer)
  const headers = new Headers(answer.headers)
  // Better Auth's limits send the wait in a header of their own.
  const wait = headers.get('x-retry-after')
  if (wait && !headers.has('retry-after')) headers.set('retry-after', wait)
  const fallback = CODES[answer.status] ?? 'internal_error'
  const problem = toResponse(
    new TollgateError(
      typeof code === 'string' ? plainCode(code) : fallback,
      answer.status,
      String(detail ?? message ?? ''),
    ),
  )
  const body = (await problem.json()) as { code: string; title: string; detail: string }
  const says = textOf(String(body.code)) ?? (body.detail || body.title)
  for (const [name, value] of problem.headers) headers.set(name, value)
  headers.delete('content-length')
  return new Response(JSON.stringify({ ...rest, ...body, detail: says, message: says }), {
    status: problem.status,
    headers,
  })
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** A path of the host with its `error` parameter in lower case, as in every answer. */
export function withPlainError(path: string): string {
  const url = new URL(path, 'http://localhost')
  const code = url.searchParams.get('error')
  if (code === null || code === plainCode(code)) return path
  url.searchParams.set('error', plainCode(code))
  return `${url.pathname}${url.search}${url.hash}`
}

/**
 * The handler's final answer: a same-site redirect after a provider's callback, and every error in the one shape.
 */
export async function answerOf(
  answer: Response,
  isCallback: boolean,
  baseURL: string,
  textOf: (code: string) => string | null,
): Promise<Response> {
  const location = answer.headers.get('location')
  if (!location || !isCallback) return asProblem(answer, textOf)
  const path = withPlainError(sameOriginPath(location, baseURL) ?? '/')
  const headers = new Headers()
  for (const cookie of answer.headers.getSetCookie()) headers.append('set-cookie', cookie)
  return redirectPage(path, headers)
}

/** Wraps Better Auth's server functions so that their errors have the same codes as the handler's answers. */
export function plainErrors<Api extends object>(api: Api): Api {
  const plain = Object.entries(api).map(([name, call]) => {
    if (typeof call !== 'function') return [name, call]
    const calling = async (input?: object) => {
      try {
        return await call(input)
      } catch (error) {
        if (isAPIError(error) && error.body?.code) error.body.code = plainCode(error.body.code)
        throw error
      }
    }
    return [name, Object.assign(calling, { path: call.path, options: call.options })]
  })
  return Object.fromEntries(plain)
}

/** Better Auth's codes, each with its message. */
export const sentencesOf = (codes: object): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(codes as Record<string, { message: string }>).map(([code, { message }]) => [
      plainCode(code),
      message,
    ]),
  )
