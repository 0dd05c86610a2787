/**
 * `tollgate remove`: takes parts out of the host again. A file that the host changed stays.
 *
 * @module
 */

import { type Checkout, closureOf } from './checkout.ts'
import { planEdits, wantedEdits } from './edits.ts'
import { CreateError } from './errors.ts'
import { isSameFile } from './files.ts'
import type { Host } from './host.ts'
import { BESIDE, Draft, type Plan } from './plan.ts'
import { requireReceipt } from './plan-update.ts'
import { RECORD_FILE } from './recipes/record.ts'
import { isOfSchema, removeSchema } from './schema/remove.ts'
import { commandsOf } from './steps.ts'
import { placeWiring, wiringOf } from './wiring.ts'

/** Plans to remove `names`, or all parts without names. @throws `receipt_not_found`, `part_needed`, `usage` */
export function planRemove(checkout: Checkout, host: Host, names: readonly string[]): Plan {
  const receipt = requireReceipt(host)
  const here = new Set(closureOf(checkout, receipt.parts).map(({ name }) => name))
  for (const name of names) {
    if (!here.has(name))
      throw new CreateError('usage', `The host has no part ${JSON.stringify(name)}.`)
  }
  const kept = names.length === 0 ? [] : receipt.parts.filter((name) => !names.includes(name))
  const parts = closureOf(checkout, kept)
  const needed = parts.find(({ name }) => names.includes(name))
  if (needed) {
    const by = parts.filter(({ needs }) => needs.includes(needed.name)).map(({ name }) => name)
    throw new CreateError(
      'part_needed',
      `${by.join(', ')} needs ${needed.name}. Remove ${by.join(', ')} with it.`,
    )
  }
  const draft = new Draft(host.read)
  // The wiring connects parts that may be gone.
  const wiring = receipt.wiring && wiringOf(host, receipt.wiring.app, parts)
  const wired = wiring ? [...placeWiring(checkout, receipt.layout, wiring).values()] : []
  const stays = new Set([
    ...wired.map(({ source }) => source),
    ...parts.flatMap(({ files }) => files),
    ...parts.flatMap(({ manifest }) => manifest.rootFiles),
  ])
  const keepsSchema = parts.some(({ name }) => name === 'db')
  const files: Record<string, string> = {}
  const base = new Map(receipt.base)
  for (const [path, source] of Object.entries(receipt.files)) {
    const isSchema = isOfSchema(receipt, path)
    if (isSchema ? keepsSchema : stays.has(source)) {
      files[path] = source
      continue
    }
    const has = host.read(path)
    const old = base.get(path)
    base.delete(path)
    if (!has || isSchema) continue
    if (old && isSameFile(has, old)) draft.put(path, null, 'delete')
    else draft.notes.push({ path, why: 'You changed it, so it stays.' })
  }
  for (const path of receipt.unresolved) {
    if (!files[path]) draft.put(`${path}${BESIDE}`, null, 'delete')
  }
  const dropSteps = keepsSchema ? [] : removeSchema(draft, host, receipt)
  const schema = keepsSchema ? receipt.schema : null
  const folders = Object.fromEntries(
    parts.map(({ name }) => [name, receipt.layout.folders[name] as string]),
  )
  const layout = { ...receipt.layout, folders }
  const request = {
    checkout,
    parts,
    layout,
    host,
    app: receipt.app,
    ownsRoot: receipt.ownsRoot,
    wiring,
    schema,
  }
  const wanted = parts.length === 0 ? [] : wantedEdits(request)
  const { texts, edits } = planEdits(host.read, wanted, receipt.edits)
  for (const [path, text] of texts) {
    if (/^(\{\s*\})?\s*$/.test(text)) draft.put(path, null, 'edit')
    else draft.edit(path, text)
  }
  if (parts.length === 0 && host.read(RECORD_FILE)) draft.put(RECORD_FILE, null, 'receipt')
  const next = {
    ...receipt,
    wiring,
    schema,
    parts: kept,
    layout,
    files,
    base,
    edits,
    unresolved: receipt.unresolved.filter((path) => files[path]),
  }
  return draft.finish('remove', parts.length === 0 ? null : next, [
    commandsOf(layout.packageManager).install,
    ...dropSteps,
  ])
}
