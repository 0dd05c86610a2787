/**
 * Reads the user of an address with all accounts in one statement, and the database snapshot with them. The
 * sign-in's writes are refused if the user's access has ended since that snapshot. See
 * `account/access-end.ts`.
 *
 * @module
 */

import { type Database, Prisma, queryNamed } from '@repo/db'
import { noteBeginning } from '../account/access-end.ts'
import type { Answers } from '../database/answering.ts'
import { columns, rowOf } from '../session/session-rows.ts'

const USER = columns('u', Prisma.UserScalarFieldEnum)
const ACCOUNT = columns('a', Prisma.AccountScalarFieldEnum)

/** The answers to Better Auth's query for an address with its accounts. */
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
