/**
 * The signal that events wait. Many arrivals make one: while a signal is under way, and for a moment
 * after, further ones are gathered. A signal that is lost costs a minute, until the next sweep.
 *
 * @module
 */

import type { JobDefinition, Logger } from '@repo/core'
import type { Database } from '@repo/db'
import { createBacklogWatch, enqueue } from '@repo/jobs'

/** The job that works through stored events. Its definition is in `worker.ts`. */
export const PROCESS_EVENTS = 'billing.processEvents'

const PAUSE_MS = 50

const signal: JobDefinition<object> = {
  name: PROCESS_EVENTS,
  parse: () => ({}),
  run: async () => {},
}

export function createWaker(db: Database, logger: Logger): () => void {
  const backlog = createBacklogWatch({
    db,
    logger,
    jobs: [PROCESS_EVENTS],
    advice: 'Start a worker with billing.jobs, or call runPending: until then webhooks only wait.',
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
      logger.warn({ error }, 'no worker could be told of an event; the next sweep finds it')
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
