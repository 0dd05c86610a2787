/**
 * Group commit: the items that arrive while a statement runs are written together by the next statement, in one
 * commit. An item that arrives alone does not wait.
 *
 * @module
 */

/** The limits of a group commit. */
export interface BatchOptions {
  /** How many statements may run at the same time: while one commits, the next is prepared. */
  concurrency: number
  /** How many items one statement takes at the most. */
  maxItems: number
}

interface Waiting<Item, Result> {
  item: Item
  done(result: Result): void
  fail(error: unknown): void
}

/**
 * A function that takes one item and calls `run` with several. `run` writes all of its items or throws and writes
 * none. Where it throws, each item is tried alone, so that one bad item does not fail the others.
 */
export function batch<Item, Result>(
  run: (items: Item[]) => Promise<Result[]>,
  { concurrency, maxItems }: BatchOptions,
): (item: Item) => Promise<Result> {
  const queue: Waiting<Item, Result>[] = []
  let running = 0
  let isAsked = false
  const work = async () => {
    running += 1
    while (queue.length > 0) await runBatch(queue.splice(0, maxItems))
    running -= 1
  }
  const runBatch = async (items: Waiting<Item, Result>[]): Promise<void> => {
    try {
      const results = await run(items.map(({ item }) => item))
      for (const [at, { done }] of items.entries()) done(results[at] as Result)
    } catch (error) {
      const [first] = items
      if (items.length === 1) first?.fail(error)
      // All at the same time and without waiting: one item may wait long for a lock.
      else for (const each of items) void runBatch([each])
    }
  }
  return (item) =>
    new Promise((done, fail) => {
      queue.push({ item, done, fail })
      if (running === concurrency || isAsked) return
      isAsked = true
      // Items that arrive in the same turn of the event loop join the batch.
      setImmediate(() => {
        isAsked = false
        if (running < concurrency) void work()
      })
    })
}
