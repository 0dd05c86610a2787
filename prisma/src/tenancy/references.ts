/**
 * Checks foreign keys in data. An id is checked like a `connect`: the row that it names must be visible to
 * the organization. The id of another organization's row is refused in the same way as an unknown id.
 *
 * The rows are looked up before the write, because some writes would make them visible: a user who becomes a
 * member is visible.
 *
 * @module
 */

import type { Db } from '../client.ts'
import { Prisma } from '../generated/client.ts'
import { TenancyError } from './errors.ts'
import { models } from './generated/models.ts'
import { type Args, delegateIn, isRecord, type ModelName } from './model.ts'
import { unscoped } from './reads.ts'
import { all, columnOf, visible } from './scope.ts'

/** A row that the foreign key of a written row refers to. */
export interface Reference {
  /** The relation: `Invitation.user`. */
  from: string
  to: ModelName
  /** The columns of that row and their values, which identify it. */
  key: Args
}

/**
 * The rows that `data` of `model` refers to by its columns. A null column refers to no row.
 *
 * @throws `outside_organization` for a row that no organization sees; `unscoped_query` for a value that the
 *   database computes, and for part of a key without the rest
 */
export function referencesOf(model: ModelName, data: Args, organizationId: string): Reference[] {
  const own = columnOf(model)
  return Object.entries(models[model].relations).flatMap(([name, relation]) => {
    const written = relation.from.filter((column) => column !== own && Object.hasOwn(data, column))
    if (written.length === 0) return []
    const values = relation.from.map((column) =>
      column === own ? organizationId : writtenTo(model, column, data[column]),
    )
    if (values.includes(null)) return []
    const missing = values.indexOf(undefined)
    if (missing >= 0) {
      throw unscoped(model, `${written.join(', ')} without ${relation.from[missing]}`)
    }
    visible(relation.model, organizationId)
    const key = Object.fromEntries(relation.to.map((column, index) => [column, values[index]]))
    return [{ from: `${model}.${name}`, to: relation.model, key }]
  })
}

/** The value written to a column: given directly, or in `{ set }`. */
function writtenTo(model: ModelName, column: string, given: unknown): unknown {
  const isValue =
    !isRecord(given) ||
    given instanceof Date ||
    given instanceof Uint8Array ||
    Prisma.Decimal.isDecimal(given)
  if (isValue) return given
  if (Object.keys(given).join() === 'set' && !isRecord(given.set)) return given.set
  throw unscoped(model, `the value of ${column}`)
}

/** The most keys looked up by one statement, whose parameters are limited. */
const AT_ONCE = 1_000

/** @throws `foreign_organization` if a reference names a row that the organization does not see */
export async function requireOwn(
  db: Db,
  references: readonly Reference[],
  organizationId: string,
): Promise<void> {
  const keysOf = new Map<string, { to: ModelName; keys: Map<string, Args> }>()
  for (const { from, to, key } of references) {
    const { keys } = keysOf.get(from) ?? { keys: new Map() }
    keysOf.set(from, { to, keys: keys.set(nameOf(key), key) })
  }
  for (const [from, { to, keys }] of keysOf) {
    const rest = [...keys.values()]
    while (rest.length > 0) {
      const some = rest.splice(0, AT_ONCE)
      const where = all({ OR: some }, visible(to, organizationId))
      const found = await delegateIn(db, to).count?.({ where })
      if (found !== some.length) {
        throw new TenancyError(
          'foreign_organization',
          `${from} names a ${to} that the organization does not have.`,
        )
      }
    }
  }
}

/**
 * Removes the references to rows of `made`, which the same statement creates: for instance a tree whose
 * branches refer to each other. `made` may only hold rows that are certain to be created for the
 * organization.
 */
export function withoutMade(
  references: readonly Reference[],
  model: ModelName,
  made: readonly unknown[],
): Reference[] {
  const names = new Map<string, Set<string>>()
  const isMade = ({ to, key }: Reference) => {
    if (to !== model) return false
    const columns = Object.keys(key)
    const known =
      names.get(columns.join()) ??
      new Set(made.filter(isRecord).map((row) => nameOf(columns.map((column) => row[column]))))
    names.set(columns.join(), known)
    return known.has(nameOf(Object.values(key)))
  }
  return references.filter((reference) => !isMade(reference))
}

const nameOf = (key: unknown) =>
  JSON.stringify(key, (_, value) => (typeof value === 'bigint' ? `${value}` : value))
