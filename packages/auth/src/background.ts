/**
 * Work that a request starts and does not wait for, so that the time of the answer does not reveal whether an
 * account exists. An error in that work is logged and does not fail the request.
 *
 * @module
 */

import type { Logger } from '@repo/core'

/** Runs work beside requests. */
export interface Background {
  run(name: string, work: () => Promise<unknown>): void
  /** Waits until no work is running. */
  settled(): Promise<void>
}

/** Makes a runner that logs the errors of its work. */
export function createBackground(logger: Logger): Background {
  const running = new Set<Promise<unknown>>()
  return {
    run(name, work) {
      const task = Promise.resolve()
        .then(work)
        .catch((error: unknown) => logger.error({ name, error }, 'background work failed'))
        .finally(() => running.delete(task))
      running.add(task)
    },
    async settled() {
      while (running.size > 0) await Promise.all(running)
    },
  }
}
