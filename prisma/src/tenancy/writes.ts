/**
 * Writing: every row that is made is stamped with the organization, another organization's id is
 * refused, and nested writes reach the organization's own tables and rows only.
 *
 * @module
 */

import { TenancyError } from './errors.ts'
import { models } from './generated/models.ts'
import { type Args, isRecord, type ModelName, type Relation } from './model.ts'
import { filter, unscoped } from './reads.ts'
import { all, columnOf, unique, visible, writable } from './scope.ts'

/**
 * The data of a row to be made. `stamped`: the relation it is made through already says whose it is.
 *
 * @throws `foreign_organization`, `outside_organization`, `unscoped_query`
 */
export function creation(
  model: ModelName,
  data: unknown,
  organizationId: string,
  stamped = false,
): unknown {
  if (Array.isArray(data)) {
    return data.map((row) => creation(model, row, organizationId, stamped))
  }
  writable(model)
  if (!isRecord(data)) return data
  const { relations } = models[model]
  const written = fields(model, data, organizationId)
  if (stamped) return written
  // Prisma takes ids or relations and no mixture, so the stamp follows what the caller uses.
  const link = linkOf(model)
  const byRelation = Object.keys(written).some((name) => (relations[name]?.from.length ?? 0) > 0)
  return link && byRelation
    ? { ...written, [link]: { connect: { id: organizationId } } }
    : { ...written, [columnOf(model)]: organizationId }
}

/** The data of a change. @throws as `creation` */
export function change(model: ModelName, data: unknown, organizationId: string): unknown {
  writable(model)
  return isRecord(data) ? fields(model, data, organizationId) : data
}

/** The relation that leads from a model to its organization, where there is one. */
function linkOf(model: ModelName): string | undefined {
  const column = columnOf(model)
  return Object.entries(models[model].relations).find(
    ([, relation]) => relation.model === 'Organization' && relation.from.includes(column),
  )?.[0]
}

/** All that is written but whose the row is, which is checked and left out. */
function fields(model: ModelName, data: Args, organizationId: string): Args {
  const column = columnOf(model)
  const link = linkOf(model)
  const written: Args = {}
  for (const [key, value] of Object.entries(data)) {
    if (value === undefined) continue
    if (key === column) {
      const named = isRecord(value) ? value.set : value
      if (named !== organizationId) throw foreign(model)
    } else if (key === link && !isRecord(value)) {
      throw foreign(model)
    } else if (key === link && isRecord(value) && 'connect' in value) {
      const { connect, ...others } = value
      const named = isRecord(connect) ? Object.entries(connect) : []
      const own = named.length === 1 && named[0]?.[0] === 'id' && named[0][1] === organizationId
      if (!own || Object.keys(others).length > 0) throw foreign(model)
    } else {
      const relation = models[model].relations[key]
      written[key] = relation ? nested(model, relation, value, organizationId) : value
    }
  }
  return written
}

/** The writes that a relation's field asks for. */
function nested(
  model: ModelName,
  relation: Relation,
  value: unknown,
  organizationId: string,
): unknown {
  if (!isRecord(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, part]) => part !== undefined)
      .map(([operation, part]) => {
        const write = Object.hasOwn(NESTED, operation) ? NESTED[operation] : undefined
        if (!write) throw unscoped(model, `the nested ${operation}`)
        // Connecting sets columns on one side only; everything else writes the other model.
        const here = relation.from.length > 0 && LINKING.includes(operation)
        if (!here) writable(relation.model)
        return [operation, write(relation, part, organizationId)]
      }),
  )
}

const LINKING = ['connect', 'disconnect']

type Nested = (relation: Relation, part: unknown, organizationId: string) => unknown

const each = (part: unknown, write: (one: unknown) => unknown): unknown =>
  Array.isArray(part) ? part.map(write) : write(part)

const ownFilter: Nested = (relation, part, organizationId) => {
  const scope = visible(relation.model, organizationId)
  return all(part === true ? undefined : filter(relation.model, part, organizationId), scope)
}

const ownUnique: Nested = ({ model }, part, organizationId) =>
  unique(filter(model, part, organizationId), visible(model, organizationId))

/** Lists name a row by a unique field; a single relation by any filter, or not at all. */
const own: Nested = (relation, part, organizationId) =>
  each(part, (one) =>
    one === false ? false : (relation.list ? ownUnique : ownFilter)(relation, one, organizationId),
  )

const create: Nested = (relation, part, organizationId) =>
  creation(
    relation.model,
    part,
    organizationId,
    relation.backwards.includes(columnOf(relation.model)),
  )

/** `create`, `update`, `data` and `where` of one nested operation, as far as they are there. */
const parts: Nested = (relation, part, organizationId) =>
  each(part, (one) => {
    if (!isRecord(one)) throw unscoped(relation.model, 'a nested write of no known form')
    const { model } = relation
    return {
      ...one,
      where: own(relation, one.where ?? true, organizationId),
      ...('create' in one ? { create: create(relation, one.create, organizationId) } : {}),
      ...('update' in one ? { update: change(model, one.update, organizationId) } : {}),
      ...('data' in one ? { data: change(model, one.data, organizationId) } : {}),
    }
  })

/** Many by any filter, whatever the relation. */
const many: Nested = (relation, part, organizationId) =>
  each(part, (one) => {
    if (!isRecord(one)) throw unscoped(relation.model, 'a nested write of no known form')
    return {
      where: ownFilter(relation, one.where ?? true, organizationId),
      data: change(relation.model, one.data, organizationId),
    }
  })

/** `set` is missing: it would cut off rows that it does not name. */
const NESTED: Record<string, Nested> = {
  connect: (relation, part, organizationId) =>
    each(part, (one) => ownUnique(relation, one, organizationId)),
  connectOrCreate: (relation, part, organizationId) =>
    each(part, (one) => {
      if (!isRecord(one)) throw unscoped(relation.model, 'a nested write of no known form')
      return {
        where: ownUnique(relation, one.where, organizationId),
        create: create(relation, one.create, organizationId),
      }
    }),
  create,
  createMany: (relation, part, organizationId) =>
    isRecord(part) ? { ...part, data: create(relation, part.data, organizationId) } : part,
  delete: own,
  deleteMany: (relation, part, organizationId) =>
    each(part, (one) => ownFilter(relation, one, organizationId)),
  disconnect: own,
  update: (relation, part, organizationId) => {
    // A single relation also takes the change itself, without `where` and `data` around it.
    const whole = isRecord(part) && 'data' in part
    return parts(relation, relation.list || whole ? part : { data: part }, organizationId)
  },
  updateMany: many,
  upsert: parts,
}

const foreign = (model: ModelName) =>
  new TenancyError(
    'foreign_organization',
    `${model} is written for one organization and names another.`,
  )
