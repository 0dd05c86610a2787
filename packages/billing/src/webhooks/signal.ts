/**
 * Signals workers that events are pending. Arrivals while a signal is being sent, and for 50 ms after, share
 * the next signal. A lost signal delays events by a minute, until the next sweep.
 *
 * @module
 */

import type { JobDefinition, Logger } from '@repo/core'
import type { Database } from '@repo/db'
import { createBacklogWatch, enqueue } from '@repo/jobs/queue'

/** Name of the job that processes stored events. `worker.ts` defines the job. */
export const PROCESS_EVENTS = 'billing.processEvents'

/** The shortest time between two signals. */
const PAUSE_MS = 50

const signal: JobDefinition<object> = {
  name: PROCESS_EVENTS,
  parse: () => ({}),
  run: async () => {},
}

/** Returns a function that queues the job, and warns if no worker takes it. */
export function createSignal(db: Database, logger: Logger): () => void {
  const backlog = createBacklogWatch({
    db,
    logger,
    jobs: [PROCESS_EVENTS],
    advice:
      'Start a worker with billing.jobs, or call runPending. Until then webhooks are stored and not processed.',
  })
  let isBusy = false
  let isAsked = false
  const ring = async () => {
    isBusy = true
    isAsked = false
    try {
      await enqueue(db, signal, {}, { key: PROCESS_EVENTS })
      await backlog.look()
    } catch (error) {
      logger.warn({ error }, 'could not signal a worker; the next sweep processes the event')
    }
    setTimeout(() => {
      isBusy = false
      if (isAsked) void ring()
    }, PAUSE_MS).unref()
  }
  return () => {
    isAsked = true
    if (!isBusy) void ring()
  }
}
