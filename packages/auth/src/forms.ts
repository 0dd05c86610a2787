/**
 * Forms without script: a host's own form posts here, Better Auth's endpoint decides, and the
 * browser is sent on to a page.
 *
 * @module
 */

import { readBody, shown } from './body.ts'
import { requireOwnOrigin } from './border.ts'
import { AuthError } from './errors.ts'
import { sameOriginPath } from './hop.ts'

export interface FormAction {
  /**
   * Better Auth's endpoint, e.g. `/sign-in/email`. After `/sign-in/social` the browser goes to the
   * provider, and from there to `success` or `failure`.
   */
  path: string
  /** Where a success leads, unless the field `next` names a path of this host. */
  success: string
  /** Where a refusal leads, with `?error=<code>` added. */
  failure: string
  /**
   * Where a sign-in leads that still needs a second factor, with `next` for what was to come.
   * Default `/two-factor`.
   */
  twoFactor?: string
  /**
   * Where a confirmation leads that brought no password, with a `token` for a new one. Default
   * `/reset-password`.
   */
  resetPassword?: string
  /** Makes the endpoint's body. Default: every text field but `next`. */
  fields?: (form: FormData) => Record<string, unknown>
  /** Fields that go back to the failure page, such as the `token` of a reset. Default: none. */
  keep?: readonly string[]
}

/** `candidate`, percent-encoded, if it is a path of this host, else `fallback`. */
export function safePath(candidate: string | null | undefined, fallback: string): string {
  if (!candidate?.startsWith('/') || candidate.startsWith('//')) return fallback
  return sameOriginPath(candidate, 'http://localhost') ?? fallback
}

/** @throws `method_not_allowed`, `untrusted_origin`, `body_too_large`, `invalid_form` */
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

/** The text fields by name. Only a host that makes the body itself can say which of two counts. */
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

/** On to the provider, to the second factor, to a new password, or to where the form leads. */
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
  const code = body?.code ?? 'request_failed'
  const url = new URL(failure, 'http://localhost')
  url.searchParams.set('error', String(code))
  for (const name of keep) if (fields[name]) url.searchParams.set(name, fields[name])
  return `${url.pathname}${url.search}`
}
