/**
 * What the host changed since the copy.
 *
 * @module
 */

import { createTwoFilesPatch } from 'diff'
import { isSameFile, textOf, unixLines } from './files.ts'
import type { Host } from './host.ts'
import type { Receipt } from './receipt.ts'
import { readingBlocks } from './schema/block.ts'

/** A file that is not as it was copied. */
export interface HostChange {
  path: string
  status: 'edited' | 'deleted'
  /** The change as a unified diff. Null: the file is deleted, or not text. */
  patch: string | null
}

/** The copied files that the host has edited or deleted. `below` limits them to a folder. */
export function hostChanges(host: Host, { base }: Receipt, below = ''): HostChange[] {
  const read = readingBlocks(host.read)
  const changes: HostChange[] = []
  for (const [path, old] of [...base].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!path.startsWith(below)) continue
    const has = read(path)
    if (!has) changes.push({ path, status: 'deleted', patch: null })
    else if (!isSameFile(has, old)) {
      const [before, after] = [textOf(old), textOf(has)]
      const patch =
        before === null || after === null
          ? null
          : createTwoFilesPatch(`copied/${path}`, path, unixLines(before), unixLines(after), '', '')
      changes.push({ path, status: 'edited', patch })
    }
  }
  return changes
}
