/**
 * Auth in a Next.js app: the session in server components and server actions, forms as server actions, and
 * the route handlers. A server component has no `Request`, so one is made from `headers()` and `cookies()`.
 * Both are awaited before auth is used, so that a page with a session renders at request time and `next
 * build` needs no environment variable.
 *
 * The proxy is a separate entry, `@repo/auth/next/proxy`, because it includes no database.
 *
 * @module
 */

import { aString, isTollgateError, objectWith, optionProblem } from '@repo/core'
import { cookies, headers } from 'next/headers.js'
import { connection } from 'next/server.js'
import { auth as defaultAuth } from './auth.ts'
import { AuthError } from './errors.ts'
import type { FormAction } from './http/forms.ts'
import { cookieHeader, parseSetCookie } from './http/next-cookies.ts'
import type { Auth, AuthUser, UserProfile } from './instance.ts'
import type { Session } from './session/caller.ts'
import type { ReadOptions } from './session/session.ts'

/** The part of auth that is used here. It does not depend on the host's roles; `User` has the host's own fields. */
export interface NextAuth<User extends AuthUser = AuthUser>
  extends Pick<Auth, 'baseURL' | 'formAction' | 'getSession' | 'handler' | 'requireAuth'> {
  /** The signed-in user, as `auth.getUser` returns it. */
  getUser(req: Request): Promise<User | null>
  /** The signed-in user, who may lack required fields, as `auth.getProfile` returns it. */
  getProfile(req: Request): Promise<UserProfile<User> | null>
}

/** The pages that guards redirect to. */
export interface NextOptions {
  /** The page that asks for a sign-in. Default `/sign-in`. */
  signIn?: string
  /** The page that asks for the second factor. Default `/two-factor`. */
  twoFactor?: string
  /** The page that asks for required fields that a user lacks. Default `/onboarding`. */
  onboarding?: string
}

/** The options of `requireAuth`. */
export interface RequireOptions extends ReadOptions {
  /** The page to return to after the sign-in. Default: the page after any sign-in. */
  next?: string
}

/** An endpoint's answer. `code` is the same as in a form's `?error=`. */
export type AuthAnswer =
  | {
      ok: true
      /** The body of the answer; null where it is not JSON. */
      data: unknown
    }
  | {
      ok: false
      /** The HTTP status. */
      status: number
      /** A code of `ERRORS.md`, such as `invalid_email_or_password`. */
      code: string
      /** A sentence in English for the developer. Translate the code for people. */
      message: string
    }

/** A server action for `<form action>` and for `useActionState`. */
export interface NextFormAction {
  (form: FormData): Promise<void>
  (state: unknown, form: FormData): Promise<void>
}

/** The fields that React adds to the form of a server action. */
const REACT_FIELD = /^\$ACTION_/

const anAuth = objectWith('an instance, as createAuth makes it', 'getSession', 'formAction')

function requireKinds(auth: unknown, options: unknown): void {
  const problem =
    anAuth.problem(auth, 'createNext: auth') ??
    optionProblem(
      'createNext',
      { signIn: aString, twoFactor: aString, onboarding: aString },
      options,
    )
  if (problem !== null) throw new AuthError('invalid_options', problem)
}

/**
 * Makes the functions for a Next.js app over an auth instance.
 *
 * @throws `invalid_options` (500) for an argument of a wrong kind
 */
export function createNext<User extends AuthUser = AuthUser>(
  auth: NextAuth<User>,
  options: NextOptions = {},
) {
  requireKinds(auth, options)
  const { signIn = '/sign-in', twoFactor = '/two-factor', onboarding = '/onboarding' } = options

  /**
   * The present request, for every function that takes one. Its path is unknown. Await it before you use
   * `auth`: in `next build` it stops the rendering, and `auth` would read the environment.
   */
  async function request(): Promise<Request> {
    // Where Cache Components are on, `headers` alone is no request yet, and reading a clock would be an error.
    await connection()
    const sent = await headers()
    const jar = await cookies()
    const own = new Headers(sent)
    const cookie = cookieHeader(sent.get('cookie'), jar.getAll())
    if (cookie) own.set('cookie', cookie)
    else own.delete('cookie')
    return new Request(`${auth.baseURL}/`, { headers: own })
  }

  /** A request from the same browser that posts `body`, with the browser's address and origin. */
  async function posting(path: string, type: string, body: string): Promise<Request> {
    const { headers: own } = await request()
    for (const name of ['content-length', 'content-encoding', 'transfer-encoding']) {
      own.delete(name)
    }
    own.set('content-type', type)
    return new Request(`${auth.baseURL}${path}`, { method: 'POST', headers: own, body })
  }

  async function setCookies(answer: Response): Promise<void> {
    const jar = await cookies()
    for (const line of answer.headers.getSetCookie()) {
      const { name, value, ...attributes } = parseSetCookie(line)
      jar.set(name, value, attributes)
    }
  }

  return {
    /** The present request, for every function that takes one. Its path is unknown. */
    request,
    /** The session, in a server component or a server action; null if nobody is signed in. */
    async getSession(options?: ReadOptions): Promise<Session | null> {
      const req = await request()
      return auth.getSession(req, options)
    },
    /**
     * The signed-in user with name, address and the host's own fields; null if nobody is signed in. A user who lacks
     * a required field is redirected to `onboarding`, so that page and its layout call `getProfile` instead.
     */
    async getUser(): Promise<User | null> {
      const req = await request()
      try {
        return await auth.getUser(req)
      } catch (error) {
        if (!isTollgateError(error, 'profile_incomplete')) throw error
        return redirect(onboarding)
      }
    },
    /** The signed-in user, who may lack required fields, and the names of these; null if nobody is signed in. */
    async getProfile(): Promise<UserProfile<User> | null> {
      const req = await request()
      return auth.getProfile(req)
    },
    /**
     * Returns the session. A browser without a session is redirected to the sign-in page, and a session
     * without its second factor to the page for that. In a route handler that answers JSON, call
     * `auth.requireAuth(req)` instead, which throws.
     */
    async requireAuth({ next, ...options }: RequireOptions = {}): Promise<Session> {
      const query = next ? `?next=${encodeURIComponent(next)}` : ''
      const req = await request()
      try {
        return await auth.requireAuth(req, options)
      } catch (error) {
        if (isTollgateError(error, 'mfa_required')) return redirect(`${twoFactor}${query}`)
        const isNobody =
          isTollgateError(error, 'not_authenticated') || isTollgateError(error, 'access_expired')
        if (!isNobody) throw error
        return redirect(`${signIn}${query}`)
      }
    },
    /**
     * A server action that posts a form to one of Better Auth's endpoints, as `auth.formAction` does for
     * routes. Rate limits see the browser's address, the origin is checked, and the answer's cookies are set.
     * It ends with a redirect to `success`, or to `failure` with `?error=<code>`.
     *
     * Export it from a file with `'use server'`.
     */
    formAction(action: FormAction): NextFormAction {
      return async (...args: [FormData] | [unknown, FormData]) => {
        const form = args.at(-1) as FormData
        const fields = new URLSearchParams()
        for (const [name, value] of form) {
          if (typeof value === 'string' && !REACT_FIELD.test(name)) fields.append(name, value)
        }
        const type = 'application/x-www-form-urlencoded'
        const req = await posting('/', type, String(fields))
        let answer: Response
        try {
          answer = await auth.formAction(req, action)
        } catch (error) {
          if (!isTollgateError(error)) throw error
          return redirect(withError(action.failure, error.code))
        }
        await setCookies(answer)
        return redirect(answer.headers.get('location') ?? action.success)
      }
    },
    /**
     * Posts `body` to one of Better Auth's endpoints in a server action, with the browser's address and
     * origin, and sets the answer's cookies. Use it for actions that show an error without a redirect, and
     * for buttons without a form.
     */
    async post(path: string, body: Record<string, unknown> = {}): Promise<AuthAnswer> {
      const req = await posting(`/api/auth${path}`, 'application/json', JSON.stringify(body))
      const answer = await auth.handler(req)
      await setCookies(answer)
      const data: unknown = await answer.json().catch(() => null)
      if (answer.ok) return { ok: true, data }
      const { code, message } = (data ?? {}) as Record<string, unknown>
      return {
        ok: false,
        status: answer.status,
        code: String(code ?? 'request_failed'),
        message: String(message ?? 'The request failed.'),
      }
    },
    /** For `app/api/auth/[...all]/route.ts`: `export const { GET, POST } = handlers`. */
    handlers: {
      /** Answers `GET` requests with Better Auth's endpoints. */
      GET: (req: Request): Promise<Response> => auth.handler(req),
      /** Answers `POST` requests with Better Auth's endpoints. */
      POST: (req: Request): Promise<Response> => auth.handler(req),
    },
  }
}

/** The functions for a Next.js app. */
export type Next = ReturnType<typeof createNext>

/**
 * Redirects in Next.js. The module is imported on first use and without an extension, because Next.js has
 * different modules of this name for server components and for the browser, and finds them only by this name.
 */
async function redirect(path: string): Promise<never> {
  const navigation = await import('next/navigation')
  return navigation.redirect(path)
}

function withError(failure: string, code: string): string {
  const [path, query] = failure.split('?')
  const search = new URLSearchParams(query)
  search.set('error', code)
  return `${path}?${search}`
}

const next = createNext(defaultAuth)

/**
 * The present request, for every function of the default instance that takes one. Its path is unknown. Await it
 * before you use `auth`.
 */
export const request: Next['request'] = next.request
/** The session, in a server component or a server action; null if nobody is signed in. */
export const getSession: Next['getSession'] = next.getSession
/** The signed-in user with name and address; null if nobody is signed in. */
export const getUser: Next['getUser'] = next.getUser
/** Returns the session, or redirects to the sign-in page or to the page for the second factor. */
export const requireAuth: Next['requireAuth'] = next.requireAuth
/** A server action that posts a form to one of Better Auth's endpoints. Export it from a file with `'use server'`. */
export const formAction: Next['formAction'] = next.formAction
/** Posts to one of Better Auth's endpoints in a server action, and sets the answer's cookies. */
export const post: Next['post'] = next.post
/** For `app/api/auth/[...all]/route.ts`: `export const { GET, POST } = handlers`. */
export const handlers: Next['handlers'] = next.handlers
