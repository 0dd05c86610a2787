/**
 * Reads a user with the host's own fields.
 *
 * @module
 */

import { TollgateError } from '@repo/core'
import type { Database } from '@repo/db'
import type { AuthUser, UserProfile } from '../instance.ts'
import type { OwnFields } from './user-fields.ts'

/** A user lacks required fields. */
export class ProfileIncompleteError extends TollgateError<'profile_incomplete'> {
  override readonly name = 'ProfileIncompleteError'
  /** The names of the fields. */
  readonly missing: readonly string[]

  constructor(missing: readonly string[]) {
    super(
      'profile_incomplete',
      403,
      `The user lacks ${missing.join(', ')}. Lead the user to a page that posts it to /update-user.`,
    )
    this.missing = missing
  }
}

const COLUMNS = {
  ...{ id: true, name: true, email: true, emailVerified: true, image: true, role: true },
  ...{ locale: true, deletion: { select: { dueAt: true } } },
} as const

/** The user with this id; null if there is none. */
export async function profileOf<User extends AuthUser>(
  db: Database,
  own: OwnFields,
  userId: string,
): Promise<UserProfile<User> | null> {
  const columns = Object.fromEntries([...own.all.keys()].map((name) => [name, true]))
  const select = { ...columns, ...COLUMNS } as typeof COLUMNS
  const found = await db.user.findUnique({ where: { id: userId }, select })
  if (!found) return null
  const { deletion, ...user } = found
  return {
    user: { ...user, ...own.read(user), deletionDueAt: deletion?.dueAt ?? null } as never,
    missing: own.missing(user),
  }
}
