/**
 * The fields that a host's own `User` needs: inserted at the end of its fields, replaced when they change upstream, and
 * removed again. The host's lines, comments and attributes stay, and Prisma's formatter aligns the model.
 *
 * @module
 */

import { SHARED } from './conflicts.ts'
import { formatted, type SchemaFile } from './prisma.ts'
import { fieldsIn, modelIn, plainField } from './scan.ts'

/** What was written into the host's `User`. */
export interface UserEdits {
  /** Each field with the comments above it, by its name. */
  fields: Record<string, string>
  /** The line that declares the owner of the rows. Null: the host has one of its own. */
  tenancy: string | null
}

/** The `User` of the packages: its fields with their comments, and its `@tenancy` line. */
export function wantedUser(ours: readonly SchemaFile[]): UserEdits {
  for (const [, text] of ours) {
    const model = modelIn(text, SHARED)
    if (!model) continue
    const lines = text.slice(model.open, model.close).split('\n')
    const fields = fieldsIn(lines).map(({ name, from, to }) => {
      const [field = '', ...comments] = lines
        .slice(from, to)
        .map((line) => line.trim())
        .reverse()
      return [name, plainField([...comments.reverse(), filled(name, field)].join('\n'))] as const
    })
    const comments = text.slice(model.start, model.line).split('\n')
    const tenancy = comments.find((line) => line.trim().startsWith('/// @tenancy')) ?? null
    return { fields: Object.fromEntries(fields), tenancy }
  }
  return { fields: {}, tenancy: null }
}

/** Rows that exist, and code that makes a user without the field, need a default. */
function filled(name: string, field: string): string {
  if (name === 'name') return field.replace(/String$/, 'String @default("")')
  return name === 'updatedAt' ? field.replace('@updatedAt', '@default(now()) @updatedAt') : field
}

/**
 * Brings the host's `User` in `text` from `recorded`, which an earlier copy wrote, to `wanted`. A field that the host
 * changed or removed since then stays so.
 */
export function editUser(
  text: string,
  wanted: UserEdits,
  recorded: UserEdits,
): { text: string; edits: UserEdits } {
  const model = modelIn(text, SHARED)
  if (!model) return { text, edits: recorded }
  let lines = text.slice(model.open, model.close).split('\n')
  const edits: UserEdits = { fields: {}, tenancy: recorded.tenancy }
  const fieldOf = (name: string) => fieldsIn(lines).find((field) => field.name === name)
  const isRecorded = (name: string) => Object.hasOwn(recorded.fields, name)
  for (const [name, old] of Object.entries(recorded.fields)) {
    const next = wanted.fields[name]
    if (next === old) continue
    const field = fieldOf(name)
    const isOurs = field && plainField(lines.slice(field.from, field.to).join('\n')) === old
    if (!isOurs) continue
    const written = next === undefined ? [] : next.split('\n')
    lines = [...lines.slice(0, field.from), ...written, ...lines.slice(field.to)]
    const isLast =
      Object.keys(wanted.fields).length === 0 &&
      !fieldsIn(lines).some((each) => isRecorded(each.name))
    if (next === undefined) lines = withoutGap(lines, field.from, isLast)
  }
  const missing: string[] = []
  for (const [name, want] of Object.entries(wanted.fields)) {
    if (isRecorded(name)) edits.fields[name] = want
    else if (!fieldOf(name)) {
      edits.fields[name] = want
      missing.push(want)
    }
  }
  if (missing.length > 0) {
    const last = fieldsIn(lines).at(-1)?.to ?? 1
    const rest = lines.slice(last)
    const added = missing.flatMap((each) => each.split('\n'))
    lines = [...lines.slice(0, last), '', ...added, ...(rest.length > 0 ? rest : [''])]
  }
  let comments = text.slice(model.start, model.line)
  if (wanted.tenancy === null && recorded.tenancy !== null) {
    comments = comments.replace(`${recorded.tenancy}\n`, '')
    edits.tenancy = null
  } else if (
    wanted.tenancy !== null &&
    recorded.tenancy === null &&
    !comments.includes('@tenancy')
  ) {
    comments += `${wanted.tenancy}\n`
    edits.tenancy = wanted.tenancy
  }
  const keyword = text.slice(model.line, model.open)
  const body = lines.join('\n')
  const block = `${comments}${keyword}${body}}`
  const before = text.slice(model.start, model.close + 1)
  if (block === before) return { text, edits }
  const aligned = formatted(`${block}\n`).trimEnd()
  return { text: text.slice(0, model.start) + aligned + text.slice(model.close + 1), edits }
}

/**
 * The lines without the empty line that was written before the first of the fields that are gone. `isLast`: no other of
 * them is left, so the empty line parts nothing.
 */
function withoutGap(lines: readonly string[], at: number, isLast: boolean): string[] {
  const isEmpty = (n: number) => (lines[n] ?? '').trim() === ''
  const isEnd = at >= lines.length - 1
  return at > 0 && isEmpty(at - 1) && (isEmpty(at) || isEnd || isLast)
    ? [...lines.slice(0, at - 1), ...lines.slice(at)]
    : [...lines]
}
