/**
 * Rewrites reads: every filter, include, select, count and order of a query, at any depth, is limited to the
 * organization's rows.
 *
 * Prisma cannot filter a required to-one relation. Its condition is added to the row that refers to it, so a
 * row that refers to another organization's row is not found.
 *
 * @module
 */

import { ArgumentError } from '@repo/core'
import { TenancyError } from './errors.ts'
import { models } from './generated/models.ts'
import { type Args, isRecord, type ModelName, type Relation } from './model.ts'
import { all, visible } from './scope.ts'

/**
 * Limits each relation in `where` to the organization. Does not limit the rows of `model` itself.
 *
 * @throws `invalid_argument` for a part that is undefined, which Prisma would take for no filter at all
 */
export function filter(model: ModelName, where: unknown, organizationId: string): unknown {
  if (Array.isArray(where)) return where.map((part) => filter(model, part, organizationId))
  if (!isRecord(where)) return where
  return Object.fromEntries(
    Object.entries(where).map(([key, value]) => {
      const relation = models[model].relations[key]
      const isDeeper = relation || key === 'AND' || key === 'OR' || key === 'NOT'
      refuseUndefined(model, key, value, !isDeeper)
      if (relation) return [key, relationFilter(relation, value, organizationId)]
      return [key, isDeeper ? filter(model, value, organizationId) : value]
    }),
  )
}

/** Throws if `value` is undefined or, with `isWhole`, if anything in it is. */
export function refuseUndefined(
  model: ModelName,
  key: string,
  value: unknown,
  isWhole = true,
): void {
  if (value === undefined) {
    const message = `${model}: the filter ${key} is undefined. Give it a value, or leave it out.`
    throw new ArgumentError(message)
  }
  if (!isWhole || typeof value !== 'object' || value === null) return
  const isPlain = Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype
  if (!isPlain) return
  for (const [name, part] of Object.entries(value)) refuseUndefined(model, `${key}.${name}`, part)
}

const LIST_FILTERS = ['some', 'none', 'every']

function relationFilter(relation: Relation, value: unknown, organizationId: string): unknown {
  const scope = visible(relation.model, organizationId)
  if (!isRecord(value)) return value
  const inner = (part: unknown) => filter(relation.model, part, organizationId)
  const own = (part: unknown) => (part === null ? null : all(inner(part), scope))
  const entries = Object.entries(value)
  for (const [key, part] of entries) refuseUndefined(relation.model, key, part, false)
  if (!relation.list) {
    const named = entries.length > 0 && entries.every(([key]) => key === 'is' || key === 'isNot')
    if (!named) return { is: own(value) }
    return Object.fromEntries(entries.map(([key, part]) => [key, own(part)]))
  }
  return Object.fromEntries(
    entries.map(([key, part]) => {
      if (!LIST_FILTERS.includes(key)) throw unscoped(relation.model, `the filter ${key}`)
      return [key, key === 'every' ? { OR: [{ NOT: scope }, inner(part)] } : own(part)]
    }),
  )
}

/** Rewrites `select`, `include`, `where`, `orderBy` and `cursor` of one level of a query. */
export function read(
  model: ModelName,
  args: Args,
  organizationId: string,
): { args: Args; must: unknown[] } {
  const walked: Args = { ...args }
  const must: unknown[] = []
  for (const kind of ['select', 'include']) {
    const chosen = args[kind]
    if (!isRecord(chosen)) continue
    walked[kind] = Object.fromEntries(
      Object.entries(chosen).map(([key, value]) => [
        key,
        selection(model, key, value, organizationId, must),
      ]),
    )
  }
  if ('where' in args) refuseUndefined(model, 'where', args.where, false)
  for (const kind of ['having', 'cursor'])
    if (kind in args) refuseUndefined(model, kind, args[kind])
  if ('where' in args) walked.where = filter(model, args.where, organizationId)
  if ('orderBy' in args) walked.orderBy = order(model, args.orderBy, organizationId, must)
  if (args.cursor) walked.cursor = position(model, args.cursor, organizationId)
  return { args: walked, must }
}

function selection(
  model: ModelName,
  key: string,
  value: unknown,
  organizationId: string,
  must: unknown[],
): unknown {
  if (!value) return value
  if (key === '_count') return counts(model, value, organizationId)
  const relation = models[model].relations[key]
  if (!relation) return value
  const scope = visible(relation.model, organizationId)
  const inner = read(relation.model, isRecord(value) ? value : {}, organizationId)
  const own = all(inner.args.where, scope, ...inner.must)
  if (relation.list || relation.optional) return { ...inner.args, where: own }
  must.push({ [key]: { is: own } })
  const { where: _, ...rest } = inner.args
  return Object.keys(rest).length > 0 ? rest : true
}

/** Limits the counts of lists to the organization's rows. */
function counts(model: ModelName, value: unknown, organizationId: string): unknown {
  const { relations } = models[model]
  const lists = Object.keys(relations).filter((name) => relations[name]?.list)
  const given = isRecord(value)
    ? value.select
    : Object.fromEntries(lists.map((name) => [name, true]))
  if (!isRecord(given)) return value
  return {
    select: Object.fromEntries(
      Object.entries(given).map(([name, part]) => {
        const relation = relations[name]
        if (!part || !relation) return [name, part]
        const scope = visible(relation.model, organizationId)
        const where = isRecord(part)
          ? filter(relation.model, part.where, organizationId)
          : undefined
        return [name, { where: all(where, scope) }]
      }),
    ),
  }
}

function order(model: ModelName, value: unknown, organizationId: string, must: unknown[]): unknown {
  if (Array.isArray(value)) return value.map((part) => order(model, part, organizationId, must))
  if (!isRecord(value)) return value
  for (const [key, part] of Object.entries(value)) {
    const relation = models[model].relations[key]
    if (!relation) continue
    const scope = visible(relation.model, organizationId)
    if (relation.list) throw unscoped(model, `the order by a count of ${key}`)
    const deeper: unknown[] = []
    order(relation.model, part, organizationId, deeper)
    const own = { [key]: { is: all(scope, ...deeper) } }
    must.push(relation.optional ? { OR: [{ [key]: null }, own] } : own)
  }
  return value
}

/** Limits a cursor to plain columns: a cursor on another organization's row would reveal that row's position. */
function position(model: ModelName, cursor: unknown, organizationId: string): unknown {
  const scope = visible(model, organizationId)
  if (!isRecord(cursor)) return cursor
  if (Object.values(scope).some((value) => typeof value !== 'string')) {
    throw unscoped(model, 'a cursor')
  }
  return { ...cursor, ...scope }
}

/** The error for a query that cannot be limited to one organization. */
export const unscoped = (model: ModelName, what: string) =>
  new TenancyError('unscoped_query', `On ${model}, ${what} cannot be limited to one organization.`)
