/** Gives routes the caller's session, and renews it. */

import type { Session } from '@repo/auth'
import { sameSiteRedirect } from '@repo/auth/edge'
import { toResponse } from '@repo/core'
import { readEnvFiles } from '@repo/core/cli'
import { redirect } from 'react-router'
import { auth } from './tollgate.ts'

// The server of a build reads no such files by itself.
readEnvFiles(process.cwd())

/** What React Router gives loaders, actions and middleware. */
interface Args {
  request: Request
}

/**
 * For `export const middleware = [tollgate]` in `root.tsx`, with `future: { v8_middleware: true }` in
 * `react-router.config.ts`: pages that were reached from another site get their strict cookies, and sessions are renewed.
 */
export async function tollgate({ request }: Args, next: () => Promise<Response>) {
  return sameSiteRedirect(request) ?? renewed(request, await next())
}

/** For loaders and actions of pages: the caller's session, or a redirect to the sign-in page. */
export async function requireUser({ request }: Args): Promise<Session> {
  const session = await auth.getSession(request)
  if (session) return session
  const { pathname, search } = new URL(request.url)
  throw redirect(`/sign-in?next=${encodeURIComponent(pathname + search)}`)
}

/**
 * A loader or an action that answers callers with a session by itself. A refusal becomes problem+json with its status and
 * code. Without this, React Router answers each error with a 500.
 */
export const forUser =
  (answer: (session: Session, request: Request) => Response | Promise<Response>) =>
  async ({ request }: Args): Promise<Response> => {
    try {
      const elsewhere = sameSiteRedirect(request)
      if (elsewhere) return elsewhere
      return await renewed(request, await answer(await auth.requireAuth(request), request))
    } catch (error) {
      const response = toResponse(error)
      if (response.status >= 500) console.error(error)
      return response
    }
  }

async function renewed(request: Request, response: Response): Promise<Response> {
  const cookies = await auth.renewCookies(request)
  if (cookies.length === 0) return response
  // The headers of `Response.redirect` cannot be changed, so the response is copied.
  const copy = new Response(response.body, response)
  for (const cookie of cookies) copy.headers.append('set-cookie', cookie)
  return copy
}
