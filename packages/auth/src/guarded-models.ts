/**
 * Which rows are written only while the access of their user lasts: the rows of every model with a `userId`, and
 * what a verification row begins for a user. The models that are left out are named here with the reason, so a new
 * model is guarded until somebody names it. A test compares the names with the database's schema.
 *
 * @module
 */

import { tryGetCurrentAuthEndpointContext } from '@better-auth/core/context'
import { storedPrefix } from './verification.ts'

type Reasons = Readonly<Record<string, string>>
type Row = Record<string, unknown>

const ACTS =
  'An act on an organization waits for the session of the actor, and may be about somebody else.'
const DELETED = 'The end of access deletes these rows, so none is left to change.'

/** Models whose rows are made without regard to the end of access. */
const FREELY_MADE: Reasons = { member: ACTS, invitation: ACTS }

/** Models whose rows are changed and deleted without regard to the end of access. */
export const FREELY_CHANGED: Reasons = {
  member: ACTS,
  invitation: ACTS,
  organization: ACTS,
  session: DELETED,
  oauthAccessToken: DELETED,
  oauthRefreshToken: DELETED,
  verification: 'A verification row is used up or counts tries. What it leads to is guarded.',
  jwks: 'The keys are the instance’s.',
}

/** Who asks for a link by mail is told nothing, and the mail goes to the account's present address. */
const MAILED = storedPrefix('password-reset')

/** Whether the rows of `model` are changed and deleted only while access lasts. */
export const isChangeGuarded = (model: string): boolean => !Object.hasOwn(FREELY_CHANGED, model)

/** The user for whom a row is made; null where the row is nobody's, or is made freely. */
export function userOfNew(model: string, row: Row): string | null {
  if (Object.hasOwn(FREELY_MADE, model)) return null
  if (model === 'verification') {
    return String(row.identifier).startsWith(MAILED) ? null : userOfVerification(row.value)
  }
  return typeof row.userId === 'string' ? row.userId : null
}

/** The user whose id the value of a verification row holds: alone for a challenge, in JSON for a code or a state. */
export function userOfVerification(value: unknown): string | null {
  if (typeof value !== 'string') return null
  if (!value.startsWith('{')) return value
  try {
    const { userId, link } = JSON.parse(value) as { userId?: unknown; link?: { userId?: unknown } }
    const id = userId ?? link?.userId
    return typeof id === 'string' ? id : null
  } catch {
    return null
  }
}

/** The users whose rows these are, and for a program the user who changes it. In one order, as they are locked. */
export function usersOf(model: string, rows: readonly Row[]): string[] {
  const column = model === 'user' ? 'id' : 'userId'
  const owners = rows.map((row) => row[column])
  if (model === 'oauthClient')
    owners.push(tryGetCurrentAuthEndpointContext()?.context.session?.user.id)
  return [...new Set(owners.filter((id) => typeof id === 'string'))].sort()
}
