/**
 * Copies and compares plain JSON. Every request copies, because each event keeps the state of its subject.
 * `structuredClone` takes ten times as long for the same result.
 *
 * @module
 */

/** A deep copy of JSON values that shares nothing with `value`. */
export function copy<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item: unknown) => copy(item)) as T
  const made: Record<string, unknown> = {}
  for (const [key, member] of Object.entries(value)) made[key] = copy(member)
  return made as T
}

/** Whether two JSON values are equal; the order of members does not matter. */
export function isSame(one: unknown, other: unknown): boolean {
  if (one === other) return true
  if (typeof one !== 'object' || typeof other !== 'object') return false
  if (one === null || other === null || Array.isArray(one) !== Array.isArray(other)) return false
  const [left, right] = [one as Record<string, unknown>, other as Record<string, unknown>]
  const keys = Object.keys(left)
  if (keys.length !== Object.keys(right).length) return false
  return keys.every((key) => Object.hasOwn(right, key) && isSame(left[key], right[key]))
}
