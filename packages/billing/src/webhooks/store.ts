/**
 * Stores events. Events that arrive while a statement runs are stored together by the next statement, in one
 * commit. An event is stored at once if no statement runs.
 *
 * @module
 */

import { type Database, Prisma, queryNamed } from '@repo/db'
import { batch } from '../batch.ts'
import type { EventRow, StoreRow } from './row.ts'

/** Returns a function that stores an event, with at most two statements at a time of up to 64 events each. */
export const createEventStore = (db: Database): StoreRow =>
  batch(
    async (rows: EventRow[]) => {
      const stored = await insert(db, rows)
      // If a batch contains an event twice, only the first counts as new.
      return rows.map((row) => stored.delete(keyOf(row)))
    },
    { concurrency: 2, maxItems: 64 },
  )

const keyOf = ({ provider, eventId }: Pick<EventRow, 'provider' | 'eventId'>): string =>
  `${provider} ${eventId}`

/** Inserts events and returns the keys of those that are new. */
async function insert(db: Database, rows: EventRow[]): Promise<Set<string>> {
  // Sorted, so that two statements with the same events wait for each other and do not deadlock.
  const ordered = [...rows].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  // The rows are one parameter, so the statement's text is always the same.
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
