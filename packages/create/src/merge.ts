/**
 * The three-way merge of a file: what upstream changed since the base goes into the host's text, which keeps its own
 * changes and its line ends.
 *
 * @module
 */

import { diff3Merge } from 'node-diff3'
import { hasWindowsLines, plainLines, unixLines } from './files.ts'

/** Merges the changes from `base` to `upstream` into `ours`. Null: both changed the same lines differently. */
export function mergeTexts(ours: string, base: string, upstream: string): string | null {
  const lines = (text: string) => plainLines(text).split('\n')
  const regions = diff3Merge(lines(ours), lines(base), lines(upstream), {
    excludeFalseConflicts: true,
  })
  const merged: string[] = []
  for (const { ok, conflict } of regions) {
    if (conflict || !ok) return null
    merged.push(...ok)
  }
  return merged.join(hasWindowsLines(ours) ? '\r\n' : '\n')
}

/** The share of the lines of two texts that are the same, from 0 to 1. Empty lines do not count. */
export function likeness(a: string, b: string): number {
  const count = new Map<string, number>()
  const lines = (text: string) =>
    unixLines(text)
      .split('\n')
      .filter((line) => line.trim() !== '')
  const [first, second] = [lines(a), lines(b)]
  for (const line of first) count.set(line, (count.get(line) ?? 0) + 1)
  let same = 0
  for (const line of second) {
    const left = count.get(line) ?? 0
    if (left === 0) continue
    count.set(line, left - 1)
    same += 1
  }
  return (2 * same) / Math.max(1, first.length + second.length)
}
