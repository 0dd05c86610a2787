/**
 * Tickets and turns. A sync draws a ticket before its first request and writes only over a lower ticket; the turn locks
 * the customer's row for the write.
 *
 * @module
 */

import { type Db, Prisma, queryNamed } from '@repo/db'
import type { BillingContext } from '../context.ts'
import type { LinkedCustomer } from '../customers/customers.ts'

/** Draws a ticket. Of two writes the write with the higher ticket stands. */
export async function nextTicket(ctx: BillingContext): Promise<bigint> {
  const [{ ticket }] = await ctx.db.$queryRaw<[{ ticket: bigint }]>`
    SELECT nextval('sync_ticket') AS ticket`
  return ticket
}

/** How a write that wants its turn finds the customer. */
export type Turn = 'taken' | 'overtaken' | 'overtaken by a part' | 'owner forgotten'

/** Whether the sync has to start again, because what it loaded may be too little. */
export const startsAnew = (turn: Turn): boolean =>
  turn === 'overtaken by a part' || turn === 'owner forgotten'

/** Locks the customer's row and writes the ticket, unless a later sync has written. */
export async function takeTurn(
  tx: Db,
  { id, forgottenAt }: LinkedCustomer,
  ticket: bigint,
): Promise<Turn> {
  const isNamed = forgottenAt === null
  const updated = await queryNamed(
    tx,
    'take_turn',
    Prisma.sql`
      UPDATE "Customer" SET "syncedTicket" = ${ticket}, "syncedAt" = clock_timestamp()
      WHERE "id" = ${id} AND "syncedTicket" < ${ticket} AND "partTicket" < ${ticket}
        AND ("forgottenAt" IS NULL) = ${isNamed}
      RETURNING "id"`,
  )
  if (updated.length === 1) return 'taken'
  const [row] = await tx.$queryRaw<{ isWhole: boolean; isNamed: boolean }[]>`
    SELECT "syncedTicket" >= ${ticket} AS "isWhole", "forgottenAt" IS NULL AS "isNamed"
    FROM "Customer" WHERE "id" = ${id}`
  // The owner was forgotten during the load, so the loaded names must not be written.
  if (row && row.isNamed !== isNamed) return 'owner forgotten'
  return row?.isWhole === false ? 'overtaken by a part' : 'overtaken'
}

/** The same for a sync of a part. */
export async function takePartTurn(
  tx: Db,
  { id, forgottenAt }: LinkedCustomer,
  ticket: bigint,
): Promise<Turn> {
  const updated = await queryNamed(
    tx,
    'take_part_turn',
    Prisma.sql`
      UPDATE "Customer" SET "partTicket" = ${ticket}, "syncedAt" = clock_timestamp()
      WHERE "id" = ${id} AND "syncedTicket" < ${ticket} AND "partTicket" < ${ticket}
        AND ("forgottenAt" IS NULL) = ${forgottenAt === null}
      RETURNING "id"`,
  )
  return updated.length === 1 ? 'taken' : 'overtaken'
}
