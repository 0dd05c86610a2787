/**
 * Group commit: the items that arrive while a statement runs are written together by the next statement, in one
 * commit. An item that arrives alone does not wait.
 *
 * @module
 */

/** The limits of a group commit. */
export interface GatherOptions {
  /** How many statements may run at the same time: while one commits, the next is prepared. */
  lanes: number
  /** How many items one statement takes at the most. */
  most: number
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
export function gather<Item, Result>(
  run: (items: Item[]) => Promise<Result[]>,
  { lanes: maxLanes, most: maxItems }: GatherOptions,
): (item: Item) => Promise<Result> {
  const queue: Waiting<Item, Result>[] = []
  let lanes = 0
  let isAsked = false
  const work = async () => {
    lanes += 1
    while (queue.length > 0) await runBatch(queue.splice(0, maxItems))
    lanes -= 1
  }
  const runBatch = async (batch: Waiting<Item, Result>[]): Promise<void> => {
    try {
      const results = await run(batch.map(({ item }) => item))
      for (const [at, { done }] of batch.entries()) done(results[at] as Result)
    } catch (error) {
      const [first] = batch
      if (batch.length === 1) first?.fail(error)
      // All at the same time and without waiting: one item may wait long for a lock.
      else for (const each of batch) void runBatch([each])
    }
  }
  return (item) =>
    new Promise((done, fail) => {
      queue.push({ item, done, fail })
      if (lanes === maxLanes || isAsked) return
      isAsked = true
      // Items that arrive in the same turn of the event loop join the batch.
      setImmediate(() => {
        isAsked = false
        if (lanes < maxLanes) void work()
      })
    })
}
