/**
 * Decides which rows are written only while their user's access lasts: the rows of every model with a
 * `userId`, and the verification rows that begin something for a user. The exceptions are listed with their
 * reasons, so a new model is guarded until someone lists it. A test compares the list with the database's
 * schema.
 *
 * @module
 */

import { tryGetCurrentAuthEndpointContext } from '@better-auth/core/context'
import { storedPrefix } from './verification.ts'

type Reasons = Readonly<Record<string, string>>
type Row = Record<string, unknown>

const ACTS =
  'An act on an organization waits for the session of the actor, and may be about another user.'
const DELETED = 'The end of access deletes these rows, so none is left to change.'

/** The models whose rows are created even if the user's access has ended. */
const FREELY_MADE: Reasons = { member: ACTS, invitation: ACTS }

/** The models whose rows are changed and deleted even if the user's access has ended. */
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

/**
 * A reset link is not guarded: its request gets no answer about the account, and the mail goes to the
 * account's present address.
 */
const MAILED = storedPrefix('password-reset')

/** Whether rows of `model` are changed and deleted only while access lasts. */
export const isChangeGuarded = (model: string): boolean => !Object.hasOwn(FREELY_CHANGED, model)

/** The user for whom a row is created; null if the row belongs to nobody or is not guarded. */
export function userOfNew(model: string, row: Row): string | null {
  if (Object.hasOwn(FREELY_MADE, model)) return null
  if (model === 'verification') {
    return String(row.identifier).startsWith(MAILED) ? null : userOfVerification(row.value)
  }
  return typeof row.userId === 'string' ? row.userId : null
}

/**
 * The user id in a verification row's value. A challenge holds only the id; a code or a state holds it within
 * JSON.
 */
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

/**
 * The owners of the rows, and for an OAuth client also the user who changes it. Sorted, because locks are
 * taken in this order.
 */
export function usersOf(model: string, rows: readonly Row[]): string[] {
  const column = model === 'user' ? 'id' : 'userId'
  const owners = rows.map((row) => row[column])
  if (model === 'oauthClient')
    owners.push(tryGetCurrentAuthEndpointContext()?.context.session?.user.id)
  return [...new Set(owners.filter((id) => typeof id === 'string'))].sort()
}
