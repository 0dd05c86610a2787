/**
 * Forms that work without script. The host's own form posts to the host, Better Auth's endpoint decides, and
 * the browser is redirected to a page.
 *
 * @module
 */

import { AuthError } from '../errors.ts'
import { readBody, shown } from './body.ts'
import { requireOwnOrigin } from './request-guard.ts'
import { sameOriginPath } from './same-site.ts'

/** Where a form posts to, and where its outcomes lead. */
export interface FormAction {
  /**
   * Better Auth's endpoint, such as `/sign-in/email`. With `/sign-in/social` the browser goes to the
   * provider, and from there to `success` or `failure`.
   */
  path: string
  /** The page after a success, unless the field `next` names a path of this host. */
  success: string
  /** The page after a refusal, with `?error=<code>` added. */
  failure: string
  /**
   * The page for a sign-in that still needs a second factor. It gets the page after the sign-in as `next`.
   * Default `/two-factor`.
   */
  twoFactor?: string
  /**
   * The page after a confirmation without a password. It gets a `token` for choosing one. Default
   * `/reset-password`.
   */
  resetPassword?: string
  /** Makes the endpoint's body. Default: every text field except `next`. */
  fields?: (form: FormData) => Record<string, unknown>
  /** The fields that the failure page gets back, such as the `token` of a reset. Default: none. */
  keep?: readonly string[]
}

/** Returns `candidate`, percent-encoded, if it is a path of this host, and `fallback` if not. */
export function safePath(candidate: string | null | undefined, fallback: string): string {
  if (!candidate?.startsWith('/') || candidate.startsWith('//')) return fallback
  return sameOriginPath(candidate, 'http://localhost') ?? fallback
}

/**
 * Answers a form's request. @throws `method_not_allowed`, `untrusted_origin`, `body_too_large`,
 * `invalid_form`
 */
export async function runFormAction(
  handler: (req: Request) => Promise<Response>,
  baseURL: string,
  req: Request,
  action: FormAction,
): Promise<Response> {
  if (req.method !== 'POST') {
    throw new AuthError('method_not_allowed', 'Send the form with POST.', {
      headers: { allow: 'POST' },
    })
  }
  requireOwnOrigin(req, baseURL)
  const form = await readForm(req)
  const fields = textsOf(form, action)
  const { next, ...texts } = fields
  const success = safePath(next, action.success)
  const social = action.path === '/sign-in/social'
  const body = {
    ...(action.fields?.(form) ?? texts),
    ...(social ? { callbackURL: success, errorCallbackURL: action.failure } : {}),
  }
  const answer = await handler(
    new Request(`${baseURL}/api/auth${action.path}`, {
      method: 'POST',
      headers: forwarded(req, baseURL),
      body: JSON.stringify(body),
    }),
  )
  const headers = new Headers({ 'cache-control': 'no-store' })
  for (const cookie of answer.headers.getSetCookie()) headers.append('set-cookie', cookie)
  const location = await (answer.ok
    ? onward(answer, success, action)
    : failurePath(answer, action, fields))
  headers.set('location', location)
  return new Response(null, { status: 303, headers })
}

/** The text fields by name. A repeated field is refused, unless the host makes the body itself. */
function textsOf(form: FormData, { fields }: FormAction): Record<string, string> {
  const texts: Record<string, string> = Object.create(null)
  for (const [name, value] of form) {
    if (name in texts && !fields) {
      throw new AuthError('invalid_form', `${shown(name)} occurs more than once.`)
    }
    if (typeof value === 'string') texts[name] = value
  }
  return texts
}

/** The next page: the provider's, the one for the second factor, the one for a new password, or `success`. */
async function onward(answer: Response, success: string, action: FormAction): Promise<string> {
  const body = (await answer.json().catch(() => null)) as {
    url?: unknown
    twoFactorRedirect?: unknown
    resetToken?: unknown
  } | null
  if (action.path === '/sign-in/social' && typeof body?.url === 'string') return body.url
  if (typeof body?.resetToken === 'string') {
    return `${action.resetPassword ?? '/reset-password'}?token=${encodeURIComponent(body.resetToken)}`
  }
  if (body?.twoFactorRedirect !== true) return success
  return `${action.twoFactor ?? '/two-factor'}?next=${encodeURIComponent(success)}`
}

async function readForm(req: Request): Promise<FormData> {
  const text = await readBody(req)
  const headers = { 'content-type': req.headers.get('content-type') ?? '' }
  try {
    return await new Response(text, { headers }).formData()
  } catch (cause) {
    throw new AuthError('invalid_form', 'The body must be a form.', { cause })
  }
}

/** The request's headers without those of its body; rate limits and the session need the others. */
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
  const code = body?.code ?? 'request_failed'
  const url = new URL(failure, 'http://localhost')
  url.searchParams.set('error', String(code))
  for (const name of keep) if (fields[name]) url.searchParams.set(name, fields[name])
  return `${url.pathname}${url.search}`
}
