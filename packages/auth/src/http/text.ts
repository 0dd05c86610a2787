/**
 * Checks that PostgreSQL can store a text exactly as it was sent. PostgreSQL would refuse or change any other
 * text. An answer that repeats the text would then differ from an answer that reads a row, and reveal which
 * of the two it is.
 *
 * @module
 */

/** Half of a surrogate pair. In UTF-8 it would become U+FFFD. */
const HALF = /\p{Surrogate}/u

/** The reason why a text cannot be stored unchanged, such as `holds a null byte`; null if it can. */
export function flawOf(text: string): string | null {
  if (text.includes('\0')) return 'holds a null byte'
  return HALF.test(text) ? 'holds half of a surrogate pair' : null
}

/** Whether a text in `value`, or a name of one of its fields, cannot be stored unchanged. */
export function hasFlaw(value: unknown): boolean {
  if (typeof value === 'string') return flawOf(value) !== null
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(([key, item]) => flawOf(key) !== null || hasFlaw(item))
}
