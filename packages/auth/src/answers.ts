/**
 * How the handler refuses: every answer with an error has one shape, problem+json (RFC 9457), and a `code`
 * in lower case, whoever made it. `message` says the same as `detail`, for Better Auth's browser client.
 * Answers of the OAuth server keep the shape of RFC 6749, because other programs read them.
 *
 * @module
 */

import { TollgateError, toResponse } from '@repo/core'

/** For a refusal without a code of its own, such as the router's. */
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

/** The codes of `CODES`, and the one for everything above. */
export const GENERAL_CODES = [...new Set(Object.values(CODES)), 'internal_error']

/** `answer` as it is where it refuses nothing, else in the one shape, with its headers and cookies. */
export async function asProblem(answer: Response): Promise<Response> {
  const isPage = answer.headers.get('content-type')?.includes('html')
  if (answer.status < 400 || isPage) return answer
  if (answer.status === 429) return asProblemOf(tooManyRequests(answer), new Headers())
  const said: unknown = await answer
    .clone()
    .json()
    .catch(() => null)
  const { code, message, detail, error, ...rest } = (said ?? {}) as Record<string, unknown>
  if (typeof error === 'string' && code === undefined) return answer
  const fallback = CODES[answer.status] ?? 'internal_error'
  const problem = toResponse(
    new TollgateError(
      typeof code === 'string' ? code.toLowerCase() : fallback,
      answer.status,
      String(detail ?? message ?? ''),
    ),
  )
  return asProblemOf(problem, answer.headers, rest)
}

/** The wait of Better Auth's limits has a header of its own. */
function tooManyRequests({ headers }: Response): Response {
  const retryAfter = headers.get('retry-after') ?? headers.get('x-retry-after') ?? '60'
  const detail = `Too many requests. Come back in ${retryAfter} s.`
  const options = { headers: { 'retry-after': retryAfter } }
  return toResponse(new TollgateError('too_many_requests', 429, detail, options))
}

async function asProblemOf(problem: Response, headers: Headers, rest: object = {}) {
  const body = (await problem.json()) as { title: string; detail: string }
  const detail = body.detail || body.title
  const all = new Headers(headers)
  for (const [name, value] of problem.headers) all.set(name, value)
  all.delete('content-length')
  return new Response(JSON.stringify({ ...rest, ...body, detail, message: detail }), {
    status: problem.status,
    headers: all,
  })
}

/** A path of the host whose `error` is in lower case, as in every answer. */
export function withPlainError(path: string): string {
  const url = new URL(path, 'http://localhost')
  const code = url.searchParams.get('error')
  if (code === null || code === code.toLowerCase()) return path
  url.searchParams.set('error', code.toLowerCase())
  return `${url.pathname}${url.search}${url.hash}`
}
