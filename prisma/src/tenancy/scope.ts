/**
 * The rows of a model that an organization has: its own, its billing rows, its users, and rows that everybody
 * may read. The policies in the database define the same rows.
 *
 * @module
 */

import { TenancyError } from './errors.ts'
import { models } from './generated/models.ts'
import { type Args, isRecord, type ModelName } from './model.ts'

/** The filter for the organization's rows; `{}` if everybody may read the model, null if nobody may. */
export function scopeOf(model: ModelName, organizationId: string): Args | null {
  const { tenancy, by, columns, relations } = models[model]
  if (tenancy === 'organization') return { [columnOf(model)]: organizationId }
  if (tenancy === 'global') return by.includes('readable') ? {} : null
  if (tenancy !== 'owner') return null
  if (by.includes('ownerId')) {
    const isTyped = columns.includes('ownerType')
    return { ownerId: organizationId, ...(isTyped ? { ownerType: 'organization' } : {}) }
  }
  const ways: Args[] = []
  for (const name of by) {
    const relation = relations[name]
    const scope = relation && scopeOf(relation.model, organizationId)
    if (scope) ways.push({ [name]: relation.list ? { some: scope } : { is: scope } })
  }
  if (ways.length === 0) return null
  return ways.length === 1 ? (ways[0] as Args) : { OR: ways }
}

/** The column of an organization's table that holds the organization's id. */
export const columnOf = (model: ModelName): string => models[model].by[0] ?? 'organizationId'

/** The filter for visible rows. @throws `outside_organization` for a model that no organization may see */
export function visible(model: ModelName, organizationId: string): Args {
  const scope = scopeOf(model, organizationId)
  if (scope) return scope
  throw new TenancyError(
    'outside_organization',
    `${model} is ${models[model].tenancy}: an organization sees none of its rows. Read it with the plain client.`,
  )
}

/** @throws `outside_organization` for a model that does not belong to an organization */
export function writable(model: ModelName): void {
  const { tenancy } = models[model]
  if (tenancy === 'organization') return
  throw new TenancyError(
    'outside_organization',
    `${model} is ${tenancy}, and its rows do not belong to an organization. Write it with the plain client.`,
  )
}

/** A filter that requires all of `filters`. */
export function all(...filters: unknown[]): unknown {
  const real = filters.filter(
    (filter) => !isRecord(filter) || Object.values(filter).some((value) => value !== undefined),
  )
  const given = real.filter((filter) => filter !== undefined)
  return given.length === 1 ? given[0] : given.length === 0 ? {} : { AND: given }
}

/** `where` with each of `filters` as a further condition. The unique field stays at the top level. */
export function unique(where: unknown, ...filters: unknown[]): unknown {
  if (!isRecord(where)) return where
  const { AND, ...rest } = where
  return {
    ...rest,
    AND: [...(Array.isArray(AND) ? AND : AND === undefined ? [] : [AND]), ...filters],
  }
}
