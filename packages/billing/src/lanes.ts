/**
 * Turns at what only few can have at a time: those who would wait for it in the database wait here, where
 * they hold no connection.
 *
 * @module
 */

/** Runs `work` when its turn has come, of those under `key` first come, first served. */
export type Lanes = <T>(key: string, work: () => Promise<T>) => Promise<T>

/** As many as `most` says at the time are under way for each key. */
export function createLanes(most: () => number): Lanes {
  const busy = new Map<string, { lanes: number; waiting: (() => void)[] }>()
  return async (key, work) => {
    const queue = busy.get(key) ?? { lanes: 0, waiting: [] }
    busy.set(key, queue)
    if (queue.lanes < most() && queue.waiting.length === 0) queue.lanes += 1
    else await new Promise<void>((begin) => queue.waiting.push(begin))
    try {
      return await work()
    } finally {
      queue.lanes -= 1
      while (queue.lanes < most()) {
        const begin = queue.waiting.shift()
        if (!begin) break
        queue.lanes += 1
        begin()
      }
      if (queue.lanes === 0) busy.delete(key)
    }
  }
}
