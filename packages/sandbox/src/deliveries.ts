/**
 * Webhook deliveries of the stand-ins. Each delivery is attempted until the receiver answers 2xx or no
 * attempt is left. Deliveries survive a restart: a delivery that was pending when the process ended is sent
 * again, so a receiver may get it twice, as in production.
 *
 * @module
 */

import { randomUUID } from 'node:crypto'
import type { Logger } from '@repo/core'

/** One attempt. */
export interface DeliveryAttempt {
  /** Wall time in ISO 8601. */
  at: string
  /** The HTTP status of the response; null if there was none. */
  status: number | null
  /** The reason that there was no response; null if there was one. */
  error: string | null
}

/** The delivery of one event to one receiver. */
export interface DeliveryRecord {
  /** The delivery's id. */
  id: string
  /** The event's id. */
  eventId: string
  /** The event's type, verbatim. */
  type: string
  /** The receiver's id. */
  endpointId: string
  /** The receiver's address. */
  url: string
  /** The fixed body; null if the receiver's own API version decides the body. */
  body: string | null
  /** `failed`: every attempt was used up. */
  state: 'pending' | 'delivered' | 'failed'
  /** The attempts so far, the oldest first. */
  attempts: DeliveryAttempt[]
}

/** The request of an attempt. */
export interface DeliveryRequest {
  url: string
  headers: Record<string, string>
  body: string
}

/** A record together with the bytes that an attempt would send now, for tests that send them again. */
export interface Delivery extends Readonly<DeliveryRecord> {
  /** Null if the receiver was removed. */
  request(): DeliveryRequest | null
}

/** The options of retries. */
export interface DeliveryOptions {
  /**
   * Milliseconds before each retry; the length is the number of retries. Default 1, 2, 4, 8, 16, 32, 60, 120
   * and 300 seconds: ten attempts in about nine minutes.
   */
  retryDelaysMs?: readonly number[]
  /** Milliseconds after which an unanswered attempt counts as failed. Default 10,000. */
  timeoutMs?: number
  /** The number of deliveries at the same time. Default 4, so the order is likely and not guaranteed. */
  concurrency?: number
}

/** Sends webhooks and keeps a record of each delivery. */
export interface DeliveryQueue {
  add(delivery: Pick<DeliveryRecord, 'eventId' | 'type' | 'endpointId' | 'url' | 'body'>): void
  /** Every delivery, the oldest first. */
  list(): Delivery[]
  /** The deliveries of one event. */
  of(eventId: string): Delivery[]
  /** The states of the deliveries of one event. */
  statesOf(eventId: string): DeliveryRecord['state'][]
  /** Sends the event's deliveries again, whatever their state, and waits for that attempt. */
  redeliver(eventId: string): Promise<Delivery[]>
  pause(): void
  resume(): void
  /** Resolves once no delivery runs or waits. Deliveries held by a pause are not waited for. */
  settled(): Promise<void>
  records(): DeliveryRecord[]
  restore(records: readonly DeliveryRecord[]): void
  /** Aborts running attempts; their deliveries stay pending. Further calls do nothing. */
  stop(): Promise<void>
}

const RETRY_DELAYS_MS = [1, 2, 4, 8, 16, 32, 60, 120, 300].map((delay) => delay * 1000)

/** Creates a delivery queue. */
export function createDeliveryQueue(
  options: DeliveryOptions & {
    /** The bytes of one attempt, signed now; null if the receiver was removed. */
    compose(record: DeliveryRecord): DeliveryRequest | null
    onChange(): void
    logger: Logger
  },
): DeliveryQueue {
  const { retryDelaysMs = RETRY_DELAYS_MS, timeoutMs = 10_000, concurrency = 4 } = options
  let records: DeliveryRecord[] = []
  const ready = createLine<DeliveryRecord>()
  const byEvent = new Map<string, DeliveryRecord[]>()
  const timers = new Set<NodeJS.Timeout>()
  const flights = new Set<Promise<void>>()
  const waiting: (() => void)[] = []
  const abort = new AbortController()
  let paused = false

  const attempt = async (record: DeliveryRecord): Promise<void> => {
    const request = options.compose(record)
    if (request === null) {
      record.state = 'failed'
      return
    }
    record.url = request.url
    const result = await send(
      request,
      AbortSignal.any([abort.signal, AbortSignal.timeout(timeoutMs)]),
    )
    if (abort.signal.aborted) return
    record.attempts.push(result)
    const delivered = result.status !== null && result.status >= 200 && result.status < 300
    if (delivered) record.state = 'delivered'
    else if (record.state === 'pending') retry(record, result)
  }

  const retry = (record: DeliveryRecord, { status, error }: DeliveryAttempt): void => {
    const delay = retryDelaysMs[record.attempts.length - 1]
    const fields = { delivery: record.id, event: record.eventId, type: record.type, status, error }
    if (delay === undefined) {
      record.state = 'failed'
      options.logger.warn(fields, 'A webhook was given up')
      return
    }
    options.logger.debug({ ...fields, delay }, 'A webhook will be tried again')
    const timer = setTimeout(() => {
      timers.delete(timer)
      if (record.state === 'pending') ready.add(record)
      pump()
    }, delay)
    timers.add(timer)
  }

  const launch = (record: DeliveryRecord): Promise<void> => {
    const flight = attempt(record)
      .catch((error: unknown) => {
        record.state = 'failed'
        options.logger.error({ delivery: record.id, error }, 'A webhook could not be written')
      })
      .then(() => {
        flights.delete(flight)
        options.onChange()
        pump()
      })
    flights.add(flight)
    return flight
  }

  const pump = (): void => {
    while (!paused && !abort.signal.aborted && flights.size < concurrency) {
      const record = ready.take()
      if (record === undefined) break
      launch(record)
    }
    const isIdle = flights.size === 0 && (paused || (ready.size() === 0 && timers.size === 0))
    if (isIdle || abort.signal.aborted) for (const resolve of waiting.splice(0)) resolve()
  }

  // The response to the request that caused an event must go out before the event.
  const later = (): void => void setImmediate(pump)

  const index = (record: DeliveryRecord): void => {
    const others = byEvent.get(record.eventId)
    if (others === undefined) byEvent.set(record.eventId, [record])
    else others.push(record)
  }

  const shown = (record: DeliveryRecord): Delivery => ({
    ...record,
    attempts: record.attempts.map((made) => ({ ...made })),
    request: () => options.compose(record),
  })

  return {
    add(delivery) {
      const record: DeliveryRecord = {
        id: randomUUID(),
        ...delivery,
        state: 'pending',
        attempts: [],
      }
      records.push(record)
      index(record)
      ready.add(record)
      options.onChange()
      later()
    },
    list: () => records.map(shown),
    of: (eventId) => (byEvent.get(eventId) ?? []).map(shown),
    statesOf: (eventId) => (byEvent.get(eventId) ?? []).map(({ state }) => state),
    async redeliver(eventId) {
      const again = [...(byEvent.get(eventId) ?? [])]
      await Promise.all(again.map(launch))
      return again.map(shown)
    },
    pause() {
      paused = true
    },
    resume() {
      paused = false
      later()
    },
    settled: () =>
      new Promise((resolve) => {
        waiting.push(resolve)
        later()
      }),
    records: () => structuredClone(records),
    restore(kept) {
      records = structuredClone([...kept])
      byEvent.clear()
      for (const record of records) index(record)
      ready.clear()
      for (const record of records) if (record.state === 'pending') ready.add(record)
      later()
    },
    async stop() {
      abort.abort()
      for (const timer of timers) clearTimeout(timer)
      timers.clear()
      await Promise.all(flights)
      pump()
    },
  }
}

/** A first-in, first-out queue whose cost does not grow with its length. */
function createLine<Item>() {
  let items: (Item | undefined)[] = []
  let head = 0
  return {
    add: (item: Item): void => void items.push(item),
    take(): Item | undefined {
      const item = items[head]
      if (item === undefined) return undefined
      items[head] = undefined
      head += 1
      // Removes taken items in large pieces, because `shift` would move the whole queue each time.
      if (head > 1024 && head * 2 > items.length) {
        items = items.slice(head)
        head = 0
      }
      return item
    },
    size: (): number => items.length - head,
    clear(): void {
      items = []
      head = 0
    },
  }
}

async function send(request: DeliveryRequest, signal: AbortSignal): Promise<DeliveryAttempt> {
  const at = new Date().toISOString()
  try {
    const response = await fetch(request.url, {
      method: 'POST',
      headers: request.headers,
      body: request.body,
      // Providers count a redirect as a failure, so a moved address must fail here, too.
      redirect: 'manual',
      signal,
    })
    await response.body?.cancel()
    return { at, status: response.status, error: null }
  } catch (error) {
    return { at, status: null, error: reasonOf(error) }
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  if (error.name === 'TimeoutError') return 'timeout'
  const cause = error.cause
  return cause instanceof Error && 'code' in cause ? String(cause.code) : error.name
}
