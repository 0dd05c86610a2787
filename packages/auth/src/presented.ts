/**
 * The session that a request's cookie names, for hooks before an endpoint: they see the request as it
 * came, perhaps with a token that has a successor already, and Better Auth knows the present one only.
 * It is read once for all of them and for the endpoint's first look at it.
 *
 * @module
 */

import { defineRequestState, hasRequestState } from '@better-auth/core/context'
import type { Database } from '@repo/db'
import type { createAuthMiddleware } from 'better-auth/api'
import { type PresentedRow, readPresented } from './session-rows.ts'

/** What a hook of Better Auth is given. */
export type HookContext = Parameters<Parameters<typeof createAuthMiddleware>[0]>[0]

interface Reading {
  token: string
  row: Promise<PresentedRow | null>
}

/** What the present request has read and may still go by. */
const reading = defineRequestState<{ last: Reading | null }>(() => ({ last: null }))

/** The row of the session that `token` names, read once for a request. */
export async function presentedRow(db: Database, token: string): Promise<PresentedRow | null> {
  if (!(await hasRequestState())) return readPresented(db, token)
  const state = await reading.get()
  if (state.last?.token !== token) state.last = { token, row: readPresented(db, token) }
  return (state.last as Reading).row
}

/** The next look at a session is one at the database: after a write, and after waiting for something else. */
export async function forgetPresented(): Promise<void> {
  if (await hasRequestState()) (await reading.get()).last = null
}

/** The session whose present token is `token`, for one look of an endpoint. Null: ask the database. */
export async function takePresented(token: unknown): Promise<PresentedRow | null> {
  if (!(await hasRequestState())) return null
  const state = await reading.get()
  const row = (await state.last?.row) ?? null
  state.last = null
  return row?.token === token ? row : null
}

/** Null for nobody. `isPending`: the user has a second factor, and the session has not. */
export async function presentedSession(
  ctx: HookContext,
  db: Database,
): Promise<PresentedRow | null> {
  const { name } = ctx.context.authCookies.sessionToken
  const token = await ctx.getSignedCookie(name, ctx.context.secret)
  return token ? presentedRow(db, token) : null
}
