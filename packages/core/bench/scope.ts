/**
 * What has to be cleaned up, in the order opposite to how it was made; each once, and a failure of
 * one does not keep the next from being tried.
 *
 * @module
 */

export interface Scope {
  readonly isClosed: boolean
  add(cleanUp: () => Promise<unknown>): void
  close(): Promise<void>
}

export function createScope(): Scope {
  const all: (() => Promise<unknown>)[] = []
  let isClosed = false
  return {
    get isClosed() {
      return isClosed
    },
    add(cleanUp) {
      all.push(cleanUp)
    },
    async close() {
      isClosed = true
      for (let next = all.pop(); next; next = all.pop()) await next().catch(() => {})
    },
  }
}
