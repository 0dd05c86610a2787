/**
 * The session that a request's cookie names, for hooks before an endpoint. The cookie may hold a token that
 * was already exchanged, and Better Auth knows only the present one. The row is read once for all hooks, and
 * for the endpoint's first look at it.
 *
 * @module
 */

import { defineRequestState, hasRequestState } from '@better-auth/core/context'
import type { Database } from '@repo/db'
import type { createAuthMiddleware } from 'better-auth/api'
import { type CookieSession, readCookieSession } from './session-rows.ts'

/** The argument of a Better Auth hook. */
export type HookContext = Parameters<Parameters<typeof createAuthMiddleware>[0]>[0]

/** A row that was read, with the token that it was read by. */
interface Reading {
  token: string
  row: Promise<CookieSession | null>
}

/** The row that this request has read and may still use. */
const reading = defineRequestState<{ last: Reading | null }>(() => ({ last: null }))

/** The row of the session that `token` names. It is read once per request. */
export async function cookieSessionRow(db: Database, token: string): Promise<CookieSession | null> {
  if (!(await hasRequestState())) return readCookieSession(db, token)
  const state = await reading.get()
  if (state.last?.token !== token) state.last = { token, row: readCookieSession(db, token) }
  return (state.last as Reading).row
}

/**
 * Forgets the row, so that the next look reads the database. Call it after a write and after waiting for
 * anything else.
 */
export async function forgetCookieSession(): Promise<void> {
  if (await hasRequestState()) (await reading.get()).last = null
}

/**
 * Returns the row once, if `token` is the session's present token; null means that the database has to be
 * asked.
 */
export async function takeCookieSession(token: unknown): Promise<CookieSession | null> {
  if (!(await hasRequestState())) return null
  const state = await reading.get()
  const row = (await state.last?.row) ?? null
  state.last = null
  return row?.token === token ? row : null
}

/**
 * The request's session; null if nobody is signed in. `isPending` means that the session lacks its second
 * factor.
 */
export async function cookieSession(ctx: HookContext, db: Database): Promise<CookieSession | null> {
  const { name } = ctx.context.authCookies.sessionToken
  const token = await ctx.getSignedCookie(name, ctx.context.secret)
  return token ? cookieSessionRow(db, token) : null
}
