/**
 * Serves auth's endpoints, gives pages and routes the caller's session, and renews it. An app with hooks of its own calls
 * `handle` among them, by `sequence` of `@sveltejs/kit/hooks`.
 */

import type { Session } from '@repo/auth'
import { sameSiteRedirect } from '@repo/auth/edge'
import { toResponse } from '@repo/core'
import { readEnvFiles } from '@repo/core/cli'
import { type Handle, type RequestEvent, redirect } from '@sveltejs/kit'
import { building } from '$app/environment'
import { auth } from './tollgate'

declare global {
  namespace App {
    interface Locals {
      /** The caller's session; null: nobody is signed in. */
      session: Session | null
    }
  }
}

// Vite gives the variables of these files to `$env` and not to the process.
if (!building) readEnvFiles(process.cwd())

export const handle: Handle = async ({ event, resolve }) => {
  // Pages that are rendered at build time have no caller.
  if (building) return resolve(event)
  const { request } = event
  if (event.url.pathname.startsWith('/api/auth/')) return auth.handler(request)
  // Browsers send strict cookies to a page that was reached from another site only after this redirect.
  const elsewhere = sameSiteRedirect(request)
  if (elsewhere) return elsewhere
  event.locals.session = await auth.getSession(request)
  const response = await resolve(event)
  const cookies = await auth.renewCookies(request)
  if (cookies.length === 0) return response
  // The headers of `Response.redirect` cannot be changed, so the response is copied.
  const renewed = new Response(response.body, response)
  for (const cookie of cookies) renewed.headers.append('set-cookie', cookie)
  return renewed
}

/** For `load` functions and form actions: the caller's session, or a redirect to the sign-in page. */
export function requireUser({ locals, url }: Pick<RequestEvent, 'locals' | 'url'>): Session {
  if (locals.session) return locals.session
  redirect(303, `/sign-in?next=${encodeURIComponent(url.pathname + url.search)}`)
}

/**
 * A `+server.ts` route for callers with a session. A refusal becomes problem+json with its status and code. Without this,
 * SvelteKit answers each error that is not its own with a 500.
 */
export const forUser =
  <Event extends RequestEvent>(
    answer: (session: Session, event: Event) => Response | Promise<Response>,
  ) =>
  async (event: Event): Promise<Response> => {
    try {
      return await answer(await auth.requireAuth(event.request), event)
    } catch (error) {
      const response = toResponse(error)
      if (response.status >= 500) console.error(error)
      return response
    }
  }
