/**
 * Plans as people read them.
 *
 * @module
 */

import type { Plan, Reason } from './plan.ts'
import { RECEIPT_FOLDER } from './receipt.ts'

const WORDS: Record<Reason, string> = {
  create: 'new',
  update: 'update',
  merge: 'merge',
  edit: 'edit',
  move: 'move',
  delete: 'delete',
  beside: 'beside yours',
  receipt: 'receipt',
}

/** More files of one folder are shown as a count. */
const MOST_SHOWN = 12

/** The lines of a plan: each file that changes, folders of many new files as one line, and what stays. */
export function linesOf(plan: Plan): string[] {
  const groups = new Map<string, { why: Reason; paths: string[] }>()
  for (const { path, why } of plan.changes) {
    if (why === 'receipt') continue
    const key = `${why} ${path.split('/').slice(0, 2).join('/')}`
    const group = groups.get(key) ?? { why, paths: [] }
    group.paths.push(path)
    groups.set(key, group)
  }
  const lines = [...groups.values()].flatMap(({ why, paths }) => {
    const word = WORDS[why].padEnd(12)
    if (paths.length <= MOST_SHOWN) return paths.map((path) => `  ${word} ${path}`)
    const folder = paths[0]?.split('/').slice(0, 2).join('/')
    return [`  ${word} ${folder}/ (${paths.length} files)`]
  })
  const notes = plan.notes.map(({ path, why }) => `  ${path}: ${why}`)
  return [
    ...(lines.length > 0 ? lines : ['Nothing to change.']),
    ...(notes.length > 0 ? ['', 'Left as they are:', ...notes] : []),
  ]
}

/** What a person does next, as lines. */
export const stepsOf = ({ steps }: Plan): string[] =>
  steps.length === 0 ? [] : ['', 'Next:', ...steps.map((step, n) => `  ${n + 1}. ${step}`)]

/** A plan for `--json`. */
export const jsonOf = (plan: Plan, isApplied: boolean): object => ({
  command: plan.command,
  applied: isApplied,
  changes: plan.changes
    .filter(({ path }) => !path.startsWith(RECEIPT_FOLDER))
    .map(({ path, why }) => ({ path, change: why })),
  notes: plan.notes,
  conflicts: plan.conflicts,
  steps: plan.steps,
})
