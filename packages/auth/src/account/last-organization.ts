/**
 * The organization a person acted for last: the next sign-in begins with it, whichever way the person comes in.
 * Somebody who has never chosen and is a member of one organization acts for that one.
 *
 * @module
 */

import type { Database } from '@repo/db'

/** What a new session of the user acts for; null: for the user alone. */
export async function organizationAtSignIn(db: Database, userId: string): Promise<string | null> {
  const last = await db.lastOrganization.findUnique({ where: { userId } })
  // Chosen, by switching to no organization.
  if (last && last.organizationId === null) return null
  const where = { userId, ...(last?.organizationId ? { organizationId: last.organizationId } : {}) }
  const member = last && (await db.member.findFirst({ where }))
  if (member) return member.organizationId
  const [only, ...more] = await db.member.findMany({ where: { userId }, take: 2 })
  return only && more.length === 0 ? only.organizationId : null
}

/** Notes what a session acts for now, unless its user is deleted meanwhile. `isChosen`: no organization was chosen, too, and not left behind. */
export async function rememberOrganization(
  db: Pick<Database, '$executeRaw'>,
  sessionId: string,
  { isChosen }: { isChosen: boolean },
): Promise<void> {
  await db.$executeRaw`
    INSERT INTO "LastOrganization" ("userId", "organizationId")
    SELECT s."userId", s."activeOrganizationId" FROM "Session" s JOIN "User" u ON u."id" = s."userId"
    WHERE s."id" = ${sessionId} AND (${isChosen} OR s."activeOrganizationId" IS NOT NULL)
    FOR KEY SHARE OF u
    ON CONFLICT ("userId") DO UPDATE SET "organizationId" = EXCLUDED."organizationId"`
}
