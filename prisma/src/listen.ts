/**
 * Receives NOTIFY messages of other processes, and knows whether it is up to date. It uses a separate
 * connection, checks it twice a second, and replaces it if it does not answer. The connection does not keep
 * the process running.
 *
 * @module
 */

import type { Socket } from 'node:net'
import pg from 'pg'
import { asSystem, connectionStringOf } from './connection.ts'

const BEAT_MS = 500
const SILENT_MS = 2_000
const LONGEST_PAUSE_MS = 5_000

/** The options of `listen`. */
export interface ListenOptions {
  /** A direct connection: LISTEN does not work through a pooler that shares connections. */
  url: string
  /** The channel's name, as in `NOTIFY`. */
  channel: string
  /** Called after each connect and before messages count as received: read there what was missed meanwhile. */
  onConnect(query: pg.Client['query']): Promise<unknown>
  /** Called with each message. */
  onNotify(payload: string): void
  /** Called when a connection is lost or cannot be made. */
  onLost?(error: unknown): void
}

/** A connection that receives NOTIFY messages. */
export interface Listener {
  /** Whether every message sent up to two seconds before `now` (milliseconds) has arrived. */
  isCurrent(now: number): boolean
  /** Waits until messages of earlier commits have arrived, or until the connection is lost. */
  settle(): Promise<void>
  /** Stops listening and closes the connection. */
  close(): void
}

/** Listens on `channel` until closed, and reconnects whenever the connection is lost. */
export function listen(options: ListenOptions): Listener {
  let client: pg.Client | null = null
  let ask: () => Promise<unknown> = async () => null
  let heardAt = 0
  let failures = 0
  let settling = 0
  let isClosed = false
  let timer: NodeJS.Timeout | undefined

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
    options.onLost?.(error)
    failures += 1
    later(connect, Math.min(50 * 2 ** failures, LONGEST_PAUSE_MS))
  }

  function connect(): void {
    const next = new pg.Client({
      // Without it, the policies of row-level security would hide what `onConnect` reads.
      connectionString: connectionStringOf(asSystem(options.url)),
      keepAlive: true,
    })
    client = next
    ask = shared(() => next.query('SELECT 1'))
    next.on('error', (error) => replace(next, error))
    next.on('end', () => replace(next, new Error('The listening connection was closed.')))
    next.on('notification', ({ payload }) => options.onNotify(payload ?? ''))
    streamOf(next).unref()
    answered(next, async () => {
      await next.connect()
      await next.query(`LISTEN ${next.escapeIdentifier(options.channel)}`)
      await options.onConnect(next.query.bind(next) as pg.Client['query'])
    })
  }

  /** Runs `question`. An answer in time counts as a sign of life at the time of the question. */
  function answered(asked: pg.Client, question: () => Promise<unknown>): void {
    const since = Date.now()
    const tooLate = setTimeout(
      () => replace(asked, new Error('The server did not answer in time.')),
      SILENT_MS,
    )
    tooLate.unref()
    question()
      .then(
        () => {
          if (client !== asked || isClosed) return
          heardAt = since
          failures = 0
          later(() => answered(asked, ask), BEAT_MS)
        },
        (error: unknown) => replace(asked, error),
      )
      .finally(() => clearTimeout(tooLate))
  }

  connect()
  return {
    isCurrent: (now) => now - heardAt < SILENT_MS,
    // The server sends waiting notifications before it reports that a query is done.
    async settle() {
      if (client === null || heardAt === 0) return
      const stream = streamOf(client)
      // Keeps the process running while a caller waits.
      stream.ref()
      settling += 1
      await ask().catch(() => {})
      settling -= 1
      if (settling === 0) stream.unref()
    },
    close() {
      isClosed = true
      clearTimeout(timer)
      const last = client
      client = null
      heardAt = 0
      if (last) discard(last)
    },
  }
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
