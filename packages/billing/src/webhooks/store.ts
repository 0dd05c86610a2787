/**
 * Storing events: those that arrive while others are being written are written together, in one
 * statement and one commit. An event waits for nobody when none is under way.
 *
 * @module
 */

import { type Database, Prisma, queryNamed } from '@repo/db'
import { gather } from '../gather.ts'
import type { EventRow, StoreRow } from './row.ts'

/** Two statements at a time, of up to 64 events. */
export const createEventStore = (db: Database): StoreRow =>
  gather(
    async (rows: EventRow[]) => {
      const stored = await insert(db, rows)
      // Of two deliveries in one batch the first is the new one.
      return rows.map((row) => stored.delete(keyOf(row)))
    },
    { lanes: 2, most: 64 },
  )

const keyOf = ({ provider, eventId }: Pick<EventRow, 'provider' | 'eventId'>): string =>
  `${provider} ${eventId}`

/** The keys of those that were not there. */
async function insert(db: Database, rows: EventRow[]): Promise<Set<string>> {
  // Two statements that meet over the same events wait for each other in one order only.
  const ordered = [...rows].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  // One value for any number of rows, so that the text is always the same.
  const sql = Prisma.sql`
    INSERT INTO "WebhookEvent" ("provider", "eventId", "type", "subject", "providerCreatedAt",
      "apiVersion", "livemode", "source", "payload", "status", "reason")
    SELECT "provider", "eventId", "type", "subject", "providerCreatedAt",
      "apiVersion", "livemode", "source", "payload", "status", "reason"
    FROM json_populate_recordset(NULL::"WebhookEvent", ${JSON.stringify(ordered)}::json)
    ON CONFLICT ("provider", "eventId") DO NOTHING
    RETURNING "provider", "eventId"`
  const stored = await queryNamed<{ provider: string; eventId: string }>(db, 'store_events', sql)
  return new Set(stored.map(keyOf))
}
