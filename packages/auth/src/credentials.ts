/**
 * The user of an address with every account, read in one statement, together with what was committed by then: what
 * the sign-in writes is refused where access was ended since. See `account/access-end.ts`.
 *
 * @module
 */

import { type Database, Prisma, queryNamed } from '@repo/db'
import { noteBeginning } from './account/access-end.ts'
import type { Answers } from './answering.ts'
import { columns, rowOf } from './session-rows.ts'

const USER = columns('u', Prisma.UserScalarFieldEnum)
const ACCOUNT = columns('a', Prisma.AccountScalarFieldEnum)

/** What Better Auth asks for when it looks up an address with its accounts. */
export async function credentialsOf(db: Database, email: string): Promise<Answers> {
  const rows = await queryNamed<{ snapshot: string; [column: string]: unknown }>(
    db,
    'auth.credentials',
    Prisma.sql`
      SELECT b."snapshot", ${USER}, ${ACCOUNT}
      FROM (SELECT pg_current_snapshot()::text AS "snapshot") b
      LEFT JOIN "User" u ON u."email" = ${email}
      LEFT JOIN "Account" a ON a."userId" = u."id"`,
  )
  const [first] = rows
  if (first) await noteBeginning(first.snapshot)
  const user = first?.['u.id'] ? rowOf(first, 'u') : null
  const accounts = rows.flatMap((row) => (row['a.id'] ? [rowOf(row, 'a')] : []))
  return {
    user: { findFirst: async () => user },
    account: { findMany: async () => accounts },
  }
}
