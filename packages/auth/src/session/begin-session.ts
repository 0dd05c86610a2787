/**
 * Writes a new session's row in one statement while the access of its user is held. The session acts for the
 * organization of the user's last session, unless the caller names another.
 *
 * @module
 */

import { type Database, Prisma } from '@repo/db'
import { accessEnded, heldBySnapshot } from '../account/access-end.ts'
import { organizationAtSignIn } from '../account/last-organization.ts'

type Data = Partial<Prisma.SessionModel> & { userId: string }

/** The SQL type of a column. Every other column is text. */
const TYPES: { [Column in keyof Prisma.SessionModel]?: Prisma.Sql } = {
  aal: Prisma.sql`::integer`,
  ...Object.fromEntries(
    ['expiresAt', 'successorSeenAt', 'createdAt', 'updatedAt'].map((name) => [
      name,
      Prisma.sql`::timestamptz`,
    ]),
  ),
}

/**
 * Writes the session's row and returns it; null if the user no longer exists.
 *
 * @throws `access_ended` (401) if the user's access ended after the request began
 */
export async function beginSession(
  db: Pick<Database, '$queryRaw'>,
  { activeOrganizationId, ...given }: Data,
): Promise<Prisma.SessionModel | null> {
  const data: Partial<Prisma.SessionModel> = { updatedAt: new Date(), ...given }
  const names = Object.values(Prisma.SessionScalarFieldEnum).filter(
    (name) => name !== 'activeOrganizationId' && data[name] !== undefined,
  )
  const values = names.map((name) => Prisma.sql`${data[name]}${TYPES[name] ?? Prisma.sql`::text`}`)
  const organization =
    activeOrganizationId === undefined
      ? organizationAtSignIn(given.userId)
      : Prisma.sql`${activeOrganizationId}::text`
  const isHeld = await heldBySnapshot()
  const [row] = await db.$queryRaw<({ isHeld: boolean } & Prisma.SessionModel)[]>`
    WITH held AS (
      SELECT ${isHeld ?? Prisma.sql`true`} AS "isHeld" FROM "User" WHERE "id" = ${given.userId}
      ${isHeld ? Prisma.sql`FOR SHARE` : Prisma.empty}),
    made AS (
      INSERT INTO "Session" (${Prisma.raw(names.map((name) => `"${name}"`).join(', '))}, "activeOrganizationId")
      SELECT ${Prisma.join(values)}, ${organization} FROM held WHERE held."isHeld"
      RETURNING *)
    SELECT held."isHeld", made.* FROM held LEFT JOIN made ON true`
  if (!row) return null
  const { isHeld: lasts, ...session } = row
  if (!lasts) throw accessEnded()
  return session
}
