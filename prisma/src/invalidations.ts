/**
 * Keeps caches of several processes right: each process hears which rows others have written, and knows whether it
 * may have missed any. It reads the new rows twice a second, so that a change by any writer is heard within a second,
 * also through a pooler that shares connections. Where the database can be listened to, a process that calls `settle`
 * also wakes the others at once. The connection is replaced if it does not answer, and does not keep the process
 * running.
 *
 * @module
 */

import type { Socket } from 'node:net'
import { parseUrl } from '@repo/core'
import pg from 'pg'
import { connectionStringOf, SYSTEM_SETTING } from './connection.ts'

const BEAT_MS = 500
const SILENT_MS = 2_000
const LONGEST_PAUSE_MS = 5_000
/** A process wakes the others at most once in this time, because each NOTIFY makes commits wait for each other. */
const WAKE_MS = 25

/** Which changes to hear of. */
export interface InvalidationOptions<Change> {
  /** The database, as for `createDb`: with `?pgbouncer=true` it is read and not listened to. */
  url: string
  /** The channel on which processes wake each other. */
  channel: string
  /**
   * The query for the rows that still matter and were written by the transaction `since` or a later one. The table
   * needs a column for the transaction, with the default `pg_current_xact_id()::text::bigint` and an index.
   */
  changes(since: bigint): string
  /** Called for each row, and again for rows of transactions that were still open when the row was first read. */
  onChange(change: Change): void
  /** Called once when the connection is lost or cannot be made, and again only after it was there. */
  onLost?(error: unknown): void
}

/** The changes that this process has heard of. */
export interface Invalidations {
  /** Whether every change that was committed up to two seconds before `now` (milliseconds) has been heard. */
  isCurrent(now: number): boolean
  /** Waits until earlier commits have been heard, or until the connection is lost, and wakes the other processes. */
  settle(): Promise<void>
  /** Ends the connection. */
  close(): void
}

/** Hears of changes until closed, and reconnects whenever the connection is lost. */
export function createInvalidations<Change>(options: InvalidationOptions<Change>): Invalidations {
  const { connectionString, isShared } = addressOf(options.url)
  const channel = pg.escapeIdentifier(options.channel)
  let client: pg.Client | null = null
  let read: () => Promise<unknown> = async () => null
  let since = BigInt(0)
  let heardAt = 0
  let failures = 0
  let settling = 0
  let isClosed = false
  let timer: NodeJS.Timeout | undefined
  let waking: NodeJS.Timeout | undefined

  const later = (work: () => void, ms: number) => {
    clearTimeout(timer)
    if (!isClosed) timer = setTimeout(work, ms).unref()
  }
  /** Discards the connection `lost`, once, and connects again. */
  const replace = (lost: pg.Client, error: unknown) => {
    if (client !== lost) return
    client = null
    heardAt = 0
    discard(lost)
    if (isClosed) return
    if (failures === 0) options.onLost?.(error)
    failures += 1
    later(connect, Math.min(50 * 2 ** failures, LONGEST_PAUSE_MS))
  }

  function connect(): void {
    const next = new pg.Client({ connectionString, keepAlive: true })
    client = next
    since = BigInt(0)
    read = shared(() => readFrom(next))
    next.on('error', (error) => replace(next, error))
    next.on('end', () => replace(next, new Error('The connection for changes was closed.')))
    next.on('notification', ({ processId }) => {
      if (processId !== pidOf(next)) read().catch((error: unknown) => replace(next, error))
    })
    streamOf(next).unref()
    answered(next, async () => {
      await next.connect()
      // Some poolers refuse LISTEN. Then changes are heard with the next beat.
      if (!isShared) await next.query(`LISTEN ${channel}`).catch(() => {})
      await read()
    })
  }

  async function readFrom(asked: pg.Client): Promise<void> {
    // One message and therefore one transaction, also behind a pooler. A transaction below `next` has ended, so its
    // rows were either read now or rolled back; sequences would not say so, because their order is not the commits'.
    const results = await asked.query(
      `SELECT set_config('${SYSTEM_SETTING}', 'on', true);
       SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS "next",
         (SELECT json_agg("change") FROM (${options.changes(since)}) "change") AS "changes"`,
    )
    const [row] = (results as unknown as pg.QueryResult<Read<Change>>[])[1]?.rows ?? []
    if (!row || client !== asked) return
    for (const change of row.changes ?? []) options.onChange(change)
    // A number below the last one is another server's, which took over behind the pooler.
    const next = BigInt(row.next)
    since = next < since ? BigInt(0) : next
  }

  /** Runs `question`. An answer in time counts as a sign of life at the time of the question. */
  function answered(asked: pg.Client, question: () => Promise<unknown>): void {
    const asOf = Date.now()
    const tooLate = setTimeout(
      () => replace(asked, new Error('The server did not answer in time.')),
      SILENT_MS,
    )
    tooLate.unref()
    question()
      .then(
        () => {
          if (client !== asked || isClosed) return
          heardAt = asOf
          failures = 0
          later(() => answered(asked, read), BEAT_MS)
        },
        (error: unknown) => replace(asked, error),
      )
      .finally(() => clearTimeout(tooLate))
  }

  function wake(): void {
    waking ??= setTimeout(() => {
      waking = undefined
      client?.query(`NOTIFY ${channel}`).catch(() => {})
    }, WAKE_MS).unref()
  }

  connect()
  return {
    isCurrent: (now) => now - heardAt < SILENT_MS,
    async settle() {
      if (client === null || heardAt === 0) return
      const stream = streamOf(client)
      // Keeps the process running while a caller waits.
      stream.ref()
      settling += 1
      await read().catch(() => {})
      settling -= 1
      if (settling === 0) stream.unref()
      wake()
    },
    close() {
      isClosed = true
      clearTimeout(timer)
      clearTimeout(waking)
      const last = client
      client = null
      heardAt = 0
      if (last) discard(last)
    },
  }
}

interface Read<Change> {
  /** The oldest transaction that was still open. */
  next: string
  changes: Change[] | null
}

function addressOf(url: string): { connectionString: string; isShared: boolean } {
  const address = parseUrl(url)
  if (!address) return { connectionString: url, isShared: false }
  const isShared = address.searchParams.get('pgbouncer') === 'true'
  address.searchParams.delete('pgbouncer')
  return { connectionString: connectionStringOf(address.href), isShared }
}

/** Runs one `ask` at a time. Callers that come meanwhile share the next one. */
function shared(ask: () => Promise<unknown>): () => Promise<unknown> {
  let present: Promise<unknown> = Promise.resolve()
  let next: Promise<unknown> | null = null
  return () => {
    next ??= present
      .catch(() => {})
      .then(() => {
        next = null
        present = ask()
        return present
      })
    return next
  }
}

function discard(client: pg.Client): void {
  client.on('error', () => {})
  streamOf(client).destroy()
}

const streamOf = (client: pg.Client) =>
  (client as unknown as { connection: { stream: Socket } }).connection.stream
const pidOf = (client: pg.Client) => (client as unknown as { processID: number | null }).processID
