/**
 * Group commit: what arrives while a statement is under way is done together by the next one, in one
 * commit. What arrives alone waits for nobody.
 *
 * @module
 */

export interface GatherOptions {
  /** Statements at the same time: while one is at its commit, the next is made. */
  lanes: number
  /** Items in one statement, at the most. */
  most: number
}

interface Waiting<Item, Result> {
  item: Item
  done(result: Result): void
  fail(error: unknown): void
}

/**
 * A function of one item, over `run`, which does several or throws and has done nothing. Where it throws,
 * each is tried again by itself, so that one that cannot be done keeps no other from it.
 */
export function gather<Item, Result>(
  run: (items: Item[]) => Promise<Result[]>,
  { lanes: most, most: mostItems }: GatherOptions,
): (item: Item) => Promise<Result> {
  const queue: Waiting<Item, Result>[] = []
  let lanes = 0
  let isAsked = false
  const work = async () => {
    lanes += 1
    while (queue.length > 0) await together(queue.splice(0, mostItems))
    lanes -= 1
  }
  const together = async (batch: Waiting<Item, Result>[]): Promise<void> => {
    try {
      const results = await run(batch.map(({ item }) => item))
      for (const [at, { done }] of batch.entries()) done(results[at] as Result)
    } catch (error) {
      const [first] = batch
      if (batch.length === 1) first?.fail(error)
      // At once and awaited by nobody else: one may be waiting for a lock that is kept for long.
      else for (const each of batch) void together([each])
    }
  }
  return (item) =>
    new Promise((done, fail) => {
      queue.push({ item, done, fail })
      if (lanes === most || isAsked) return
      isAsked = true
      // What arrives in the same turn of the event loop goes along.
      setImmediate(() => {
        isAsked = false
        if (lanes < most) void work()
      })
    })
}
