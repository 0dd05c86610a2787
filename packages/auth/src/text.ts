/**
 * Text that PostgreSQL holds as it was sent. Of any other it would fail, or hold something else: an answer that
 * repeats what was sent then differs from one that is read from a row, and tells which of the two it is.
 *
 * @module
 */

/** Half of a surrogate pair. As UTF-8 it is written as U+FFFD. */
const HALF = /\p{Surrogate}/u

/** What keeps a text from being stored as it is, as in `name holds a null byte`; null for nothing. */
export function flawOf(text: string): string | null {
  if (text.includes('\0')) return 'holds a null byte'
  return HALF.test(text) ? 'holds half of a surrogate pair' : null
}

/** Whether a text in `value`, or a name of one of its fields, cannot be stored as it is. */
export function hasFlaw(value: unknown): boolean {
  if (typeof value === 'string') return flawOf(value) !== null
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(([key, item]) => flawOf(key) !== null || hasFlaw(item))
}
