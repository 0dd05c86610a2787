/**
 * Work that a request sets off and does not wait for, so that its time tells nothing about who is
 * known here. What it throws is logged and fails nobody.
 *
 * @module
 */

import type { Logger } from '@repo/core'

export interface Background {
  run(name: string, work: () => Promise<unknown>): void
  /** Waits until nothing is running. */
  settled(): Promise<void>
}

export function createBackground(logger: Logger): Background {
  const running = new Set<Promise<unknown>>()
  return {
    run(name, work) {
      const task = Promise.resolve()
        .then(work)
        .catch((error: unknown) => logger.error({ name, error }, 'failed in the background'))
        .finally(() => running.delete(task))
      running.add(task)
    },
    async settled() {
      while (running.size > 0) await Promise.all(running)
    },
  }
}
