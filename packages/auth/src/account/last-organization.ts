/**
 * The organization that a user acted for last. The next sign-in of any kind begins with it. A user who has
 * never chosen one and is a member of a single organization acts for that one.
 *
 * @module
 */

import { type Database, Prisma } from '@repo/db'

/**
 * An SQL expression for the organization of the user's new session; null means that the user acts for
 * themselves.
 */
export function organizationAtSignIn(userId: string): Prisma.Sql {
  return Prisma.sql`(
    SELECT CASE
      -- Chosen, by switching to no organization.
      WHEN l."userId" IS NOT NULL AND l."organizationId" IS NULL THEN NULL
      WHEN EXISTS (SELECT FROM "Member" m
        WHERE m."userId" = ${userId} AND m."organizationId" = l."organizationId") THEN l."organizationId"
      ELSE (SELECT CASE WHEN count(*) = 1 THEN min(two."organizationId") END
        FROM (SELECT m."organizationId" FROM "Member" m WHERE m."userId" = ${userId} LIMIT 2) two)
    END
    FROM (SELECT) always LEFT JOIN "LastOrganization" l ON l."userId" = ${userId})`
}

/**
 * Stores the organization that a session acts for now, unless its user is deleted meanwhile. `isChosen`: the
 * user chose it, so that choosing no organization is stored as well.
 */
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
