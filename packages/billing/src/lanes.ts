/**
 * Turns at what only one can have at a time: those who would wait for it in the database wait here, where
 * they hold no connection.
 *
 * @module
 */

/** Runs `work` when its turn has come, of those under `key` first come, first served. */
export type Lanes = <T>(key: string, work: () => Promise<T>) => Promise<T>

/** At most `most` are under way for each key. */
export function createLanes(most: number): Lanes {
  const busy = new Map<string, { lanes: number; waiting: (() => void)[] }>()
  return async (key, work) => {
    const queue = busy.get(key) ?? { lanes: 0, waiting: [] }
    busy.set(key, queue)
    // A lane that is left to somebody stays counted.
    if (queue.lanes < most) queue.lanes += 1
    else await new Promise<void>((resolve) => queue.waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = queue.waiting.shift()
      if (next) next()
      else {
        queue.lanes -= 1
        if (queue.lanes === 0) busy.delete(key)
      }
    }
  }
}
