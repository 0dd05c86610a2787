/**
 * Forms without script: a host's own form posts here, Better Auth's endpoint decides, and the
 * browser is sent on to a page.
 *
 * @module
 */

import { AuthError } from './errors.ts'
import { sameOriginPath } from './hop.ts'

export interface FormAction {
  /** Better Auth's endpoint, e.g. `/sign-in/email`. The form's fields become its body. */
  path: string
  /** Where a success leads, unless the field `next` names a path of this host. */
  success: string
  /** Where a refusal leads, with `?error=<code>` added. */
  failure: string
  /** Fields that go back to the failure page, such as the `token` of a reset. Default: none. */
  keep?: readonly string[]
}

/** `candidate`, percent-encoded, if it is a path of this host, else `fallback`. */
export function safePath(candidate: string | null | undefined, fallback: string): string {
  if (!candidate?.startsWith('/') || candidate.startsWith('//')) return fallback
  return sameOriginPath(candidate, 'http://localhost') ?? fallback
}

/** @throws `method_not_allowed`, `untrusted_origin`, `invalid_form` */
export async function runFormAction(
  handler: (req: Request) => Promise<Response>,
  baseURL: string,
  req: Request,
  action: FormAction,
): Promise<Response> {
  if (req.method !== 'POST') {
    throw new AuthError('method_not_allowed', 'A form is sent by POST.', {
      headers: { allow: 'POST' },
    })
  }
  requireOwnOrigin(req, baseURL)
  const fields: Record<string, string> = {}
  for (const [name, value] of await readForm(req)) {
    if (typeof value === 'string') fields[name] = value
  }
  const { next, ...body } = fields
  const answer = await handler(
    new Request(`${baseURL}/api/auth${action.path}`, {
      method: 'POST',
      headers: forwarded(req, baseURL),
      body: JSON.stringify(body),
    }),
  )
  const headers = new Headers({ 'cache-control': 'no-store' })
  for (const cookie of answer.headers.getSetCookie()) headers.append('set-cookie', cookie)
  headers.set(
    'location',
    answer.ok ? safePath(next, action.success) : await failurePath(answer, action, fields),
  )
  return new Response(null, { status: 303, headers })
}

/** A form of another site must not sign anybody in, out or up. */
function requireOwnOrigin(req: Request, baseURL: string): void {
  const origin = req.headers.get('origin')
  const own =
    origin === null ? req.headers.get('sec-fetch-site') === 'same-origin' : origin === baseURL
  if (!own) throw new AuthError('untrusted_origin', 'The form was sent from another site.')
}

async function readForm(req: Request): Promise<FormData> {
  try {
    return await req.formData()
  } catch (cause) {
    throw new AuthError('invalid_form', 'The body is not a form.', { cause })
  }
}

/** The request's own headers, for rate limits and the session, but for those of its body. */
function forwarded(req: Request, baseURL: string): Headers {
  const headers = new Headers(req.headers)
  for (const name of ['content-length', 'content-encoding', 'transfer-encoding']) {
    headers.delete(name)
  }
  headers.set('content-type', 'application/json')
  headers.set('origin', baseURL)
  return headers
}

async function failurePath(
  answer: Response,
  { failure, keep = [] }: FormAction,
  fields: Record<string, string>,
): Promise<string> {
  const body = (await answer.json().catch(() => null)) as { code?: unknown } | null
  const code = answer.status === 429 ? 'too_many_requests' : (body?.code ?? 'request_failed')
  const url = new URL(failure, 'http://localhost')
  url.searchParams.set('error', String(code).toLowerCase())
  for (const name of keep) if (fields[name]) url.searchParams.set(name, fields[name])
  return `${url.pathname}${url.search}`
}
