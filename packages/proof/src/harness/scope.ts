/**
 * A list of clean-ups. Each runs once, the last added first, and a clean-up that fails does not stop the
 * others.
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
