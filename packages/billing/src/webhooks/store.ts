/**
 * Storing events: those that arrive while others are being written are written together, in one
 * statement and one commit. An event waits for nobody when none is under way.
 *
 * @module
 */

import { type Database, Prisma } from '@repo/db'

export interface EventRow {
  provider: string
  eventId: string
  type: string
  subject: string | null
  providerCreatedAt: Date | null
  apiVersion: string | null
  livemode: boolean | null
  source: 'delivery' | 'pull'
  payload: string
  status: 'pending' | 'ignored'
  reason: string | null
}

/** Stores one event, durably. False: it was there. Throws when it is not known to be stored. */
export type StoreRow = (row: EventRow) => Promise<boolean>

/** Statements at the same time: while one is at its commit, the next is made. */
const LANES = 2
const MOST_ROWS = 64

interface Waiting {
  row: EventRow
  done(isNew: boolean): void
  fail(error: unknown): void
}

export function createEventStore(db: Database): StoreRow {
  const queue: Waiting[] = []
  let lanes = 0
  let isAsked = false
  const work = async () => {
    lanes += 1
    while (queue.length > 0) await write(queue.splice(0, MOST_ROWS))
    lanes -= 1
  }
  const write = async (batch: Waiting[]): Promise<void> => {
    try {
      const stored = await insert(
        db,
        batch.map(({ row }) => row),
      )
      // Of two deliveries in one batch the first is the new one.
      for (const { row, done } of batch) done(stored.delete(keyOf(row)))
    } catch (error) {
      const [first] = batch
      if (batch.length === 1) first?.fail(error)
      // One that cannot be stored must not keep the others from it.
      else for (const each of batch) await write([each])
    }
  }
  return (row) =>
    new Promise((done, fail) => {
      queue.push({ row, done, fail })
      if (lanes === LANES || isAsked) return
      isAsked = true
      // What arrives in the same turn of the event loop goes along.
      setImmediate(() => {
        isAsked = false
        if (lanes < LANES) void work()
      })
    })
}

const keyOf = ({ provider, eventId }: Pick<EventRow, 'provider' | 'eventId'>): string =>
  `${provider} ${eventId}`

/** The keys of those that were not there. */
async function insert(db: Database, rows: EventRow[]): Promise<Set<string>> {
  // Two statements that meet over the same events wait for each other in one order only.
  const ordered = [...rows].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  const values = ordered.map(
    (row) => Prisma.sql`(${row.provider}, ${row.eventId}, ${row.type}, ${row.subject},
      ${row.providerCreatedAt}, ${row.apiVersion}, ${row.livemode}, ${row.source}, ${row.payload},
      ${row.status}, ${row.reason})`,
  )
  const stored = await db.$queryRaw<{ provider: string; eventId: string }[]>`
    INSERT INTO "WebhookEvent" ("provider", "eventId", "type", "subject", "providerCreatedAt",
      "apiVersion", "livemode", "source", "payload", "status", "reason")
    VALUES ${Prisma.join(values)}
    ON CONFLICT ("provider", "eventId") DO NOTHING
    RETURNING "provider", "eventId"`
  return new Set(stored.map(keyOf))
}
