/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */

/**
 * Pages for what did not work: a sentence for people, and a way back. A client that asks for something else than a
 * page gets the problem as it is.
 *
 * @module
 */

import type { Auth } from '@repo/auth'
import { isTollgateError } from '@repo/core'
import type { Context } from 'hono'
import { TextPage } from './form.tsx'
import { REFUSALS, REFUSED } from './messages.ts'

/** What `toResponse` answers. */
interface Problem {
  status: number
  title: string
  code: string
  detail: string
}

/** Shows a problem as a page for people, with the same status. */
export async function problem(c: Context, response: Response): Promise<Response> {
  const { status, title, code, detail } = (await response.json()) as Problem
  if (response.status === 401) return c.redirect('/sign-in', 303)
  if (code === 'mfa_required') return c.redirect('/two-factor', 303)
  if (!wantsPage(c)) {
    return c.body(JSON.stringify({ status, title, detail }), response.status as 400, {
      'content-type': 'application/problem+json',
    })
  }
  return refusal(c, status, REFUSALS[code])
}

/**
 * Sends a visitor without a full session to the sign-in and back to this page. A sign-in by link or provider of a user
 * with a second factor lacks only the code.
 */
export async function askToSignIn(auth: Pick<Auth, 'requireAuth'>, c: Context) {
  const missing = await auth.requireAuth(c.req.raw).catch((error: unknown) => error)
  const page = isTollgateError(missing, 'mfa_required') ? '/two-factor' : '/sign-in'
  return c.redirect(c.req.path === '/dashboard' ? page : `${page}?next=${c.req.path}`)
}

/** Answers a path that no route has. */
export function notFound(c: Context): Response | Promise<Response> {
  return wantsPage(c) ? refusal(c, 404) : c.text('404 Not Found', 404)
}

/** A page that says why, with this status. */
export const refusal = (c: Context, status: number, why?: string) =>
  c.html(
    <TextPage c={c} title={status === 404 && !why ? 'Not found' : 'That did not work'}>
      <p class="error" role="alert">
        {why ?? REFUSED[status] ?? (status < 500 ? NOT_DONE : REFUSED[500])}
      </p>
      <p>
        <a class="button" href="/dashboard">
          Back to the dashboard
        </a>
      </p>
      <p class="hint">
        <a href="/">Start page</a>
      </p>
    </TextPage>,
    status as 400,
  )

const NOT_DONE = 'This could not be done. Go back and try again.'

/** Whether the client asks for a page, as a browser does. */
export const wantsPage = (c: Context): boolean =>
  c.req.header('accept')?.includes('text/html') ?? false
