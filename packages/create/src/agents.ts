/**
 * What a coding agent has to know about the copied packages: a block in the host's `AGENTS.md`, between markers. The
 * rest of that file is the host's.
 *
 * @module
 */

import type { Checkout, Part } from './checkout.ts'
import { cutExtras } from './extras.ts'
import { textOf } from './files.ts'
import { type Layout, placePaths, renamerOf } from './place.ts'
import type { Edit } from './receipt.ts'

/** The file in the host. */
const AGENTS = 'AGENTS.md'
/** The text in the checkout. A line that ends with a part's mark is about that part. */
const SOURCE = 'packages/create/agents.md'

/** The block with what holds for `parts`. Nothing, where the checkout has no such text. */
export function agentsEdits(checkout: Checkout, parts: readonly Part[], layout: Layout): Edit[] {
  const file = checkout.read(SOURCE)
  const text = file && textOf(file)
  if (typeof text !== 'string') return []
  const all = [...checkout.parts.keys()]
  const copied = new Set(parts.map(({ name }) => name))
  const about = cutExtras(
    text,
    all,
    all.filter((name) => !copied.has(name)),
    SOURCE,
  )
  const placed = placePaths(checkout, layout, about.replace('VERSION', checkout.version).trim())
  return [{ file: AGENTS, keys: ['tollgate'], value: renamerOf(checkout, layout)(placed) }]
}
