/**
 * For tests: a clock that stands still, a logger that keeps its entries, waiting without a time limit, and a
 * measure of how work grows with its text.
 *
 * @module
 */

import type { Clock } from './clock.ts'
import type { Logger } from './logger.ts'

export { growsLinearly, HOSTILE_TEXTS } from './hostile-text.ts'
export { beginRaw, sendRaw, statusesOf } from './raw-request.ts'

/** A clock that a test moves. */
export interface TestClock extends Clock {
  /** Moves the clock forward. */
  advance(milliseconds: number): void
  /** Sets the clock, also backwards. */
  set(now: Date): void
}

/** A clock that stands at `start` until it is moved. */
export function createTestClock(start: Date | string = '2026-01-01T00:00:00Z'): TestClock {
  let now = new Date(start).getTime()
  return {
    now: () => new Date(now),
    advance(milliseconds) {
      now += milliseconds
    },
    set(next) {
      now = next.getTime()
    },
  }
}

/** An entry that the test logger kept. */
export interface LogEntry {
  level: keyof Logger
  fields: object
  /** The sentence; undefined where the entry had none. */
  message: string | undefined
}

/** A logger of a test. */
export interface TestLogger extends Logger {
  /** Everything that was logged, the oldest first. */
  entries: LogEntry[]
  /** All entries as one string, to assert what the log does not contain. */
  readonly text: string
}

/**
 * A logger that keeps its entries. `text` is all of them as one string, to assert what the log does not
 * contain.
 */
export function createTestLogger(): TestLogger {
  const entries: LogEntry[] = []
  const keep = (level: keyof Logger) => (fields: object, message?: string) => {
    entries.push({ level, fields, message })
  }
  return {
    entries,
    get text() {
      return entries.map((entry) => JSON.stringify(entry)).join('\n')
    },
    debug: keep('debug'),
    info: keep('info'),
    warn: keep('warn'),
    error: keep('error'),
  }
}

/**
 * Waits until `condition` holds, checking every `intervalMs`. Only the test's own time limit ends it, so that
 * a slow machine gets the time it needs.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  intervalMs = 5,
): Promise<void> {
  while (!(await condition())) await new Promise((done) => setTimeout(done, intervalMs))
}
