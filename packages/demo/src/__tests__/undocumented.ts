/**
 * Exports that lack documentation, for the test of the guard. The numbers of their lines stand in the test.
 *
 * @module
 */

export function createThing(options: { size: number }) {
  return {
    /** How large it is. */
    size: options.size,
    /** Starts it. */
    start() {},
    stop() {},
  }
}
/** What was found. Its name says all; its nullable end does not. */
export interface Found {
  endedAt: Date | null
  name: string
  kind: 'found'
}
