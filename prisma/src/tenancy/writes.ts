/**
 * Rewrites writes. Every new row gets the organization's id, and another organization's id is refused. Nested
 * writes reach only the organization's own tables and rows. The rows that foreign keys name are collected and
 * checked before the query is sent.
 *
 * @module
 */

import { TenancyError } from './errors.ts'
import { models } from './generated/models.ts'
import { type Args, isRecord, type ModelName, type Relation } from './model.ts'
import { filter, refuseUndefined, unscoped } from './reads.ts'
import { type Reference, referencesOf } from './references.ts'
import { all, columnOf, unique, visible, writable } from './scope.ts'

/** The organization that is written for, and the references collected so far. */
export interface Write {
  organizationId: string
  references: Reference[]
}

/**
 * Rewrites the data of a new row. `through`: the columns that Prisma fills because the row is created through
 * a relation.
 *
 * @throws `foreign_organization`, `outside_organization`, `unscoped_query`
 */
export function creation(
  model: ModelName,
  data: unknown,
  write: Write,
  through: readonly string[] = [],
): unknown {
  if (Array.isArray(data)) {
    return data.map((row) => creation(model, row, write, through))
  }
  writable(model)
  if (!isRecord(data)) return data
  const written = fields(model, data, write)
  return { ...written, ...stamp(model, written, write.organizationId, through) }
}

/** Adds the organization. Prisma takes either ids or relations, so this follows the form that the caller uses. */
function stamp(
  model: ModelName,
  written: Args,
  organizationId: string,
  through: readonly string[],
): Args {
  const column = columnOf(model)
  const { relations } = models[model]
  const link = linkOf(model)
  const used = Object.keys(written).flatMap((name) => relations[name]?.from ?? [])
  if (link && used.length > 0 && `${relations[link]?.from}` !== `${through}`) {
    return { [link]: { connect: { id: organizationId } } }
  }
  // A relation whose key includes the organization already sets the column.
  return [...used, ...through].includes(column) ? {} : { [column]: organizationId }
}

/** Rewrites the data of an update. @throws as `creation` */
export function change(model: ModelName, data: unknown, write: Write): unknown {
  writable(model)
  return isRecord(data) ? fields(model, data, write) : data
}

/** The relation from a model to its organization, if there is one. */
function linkOf(model: ModelName): string | undefined {
  const column = columnOf(model)
  return Object.entries(models[model].relations).find(
    ([, relation]) => relation.model === 'Organization' && relation.from.includes(column),
  )?.[0]
}

/** Rewrites all fields except the organization, which is checked and left out. */
function fields(model: ModelName, data: Args, write: Write): Args {
  const column = columnOf(model)
  const link = linkOf(model)
  const written: Args = {}
  for (const [key, value] of Object.entries(data)) {
    if (value === undefined) continue
    if (key === column) {
      const named = isRecord(value) ? value.set : value
      if (named !== write.organizationId) throw foreign(model)
    } else if (key === link && !isRecord(value)) {
      throw foreign(model)
    } else if (key === link && isRecord(value) && 'connect' in value) {
      const { connect, ...others } = value
      const named = isRecord(connect) ? Object.entries(connect) : []
      const own =
        named.length === 1 && named[0]?.[0] === 'id' && named[0][1] === write.organizationId
      if (!own || Object.keys(others).length > 0) throw foreign(model)
    } else {
      const relation = models[model].relations[key]
      written[key] = relation ? nested(model, relation, value, write) : value
    }
  }
  write.references.push(...referencesOf(model, written, write.organizationId))
  return written
}

/** Rewrites the nested writes of a relation's field. */
function nested(model: ModelName, relation: Relation, value: unknown, write: Write): unknown {
  if (!isRecord(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, part]) => part !== undefined)
      .map(([operation, part]) => {
        const nest = Object.hasOwn(NESTED, operation) ? NESTED[operation] : undefined
        if (!nest) throw unscoped(model, `the nested ${operation}`)
        // Connecting through this model's key changes this model only; everything else writes the other
        // model.
        const here = relation.from.length > 0 && LINKING.includes(operation)
        if (!here) writable(relation.model)
        return [operation, nest(relation, part, write)]
      }),
  )
}

const LINKING = ['connect', 'disconnect']

type Nested = (relation: Relation, part: unknown, write: Write) => unknown

const each = (part: unknown, rewrite: (one: unknown) => unknown): unknown =>
  Array.isArray(part) ? part.map(rewrite) : rewrite(part)

const ownFilter: Nested = (relation, part, { organizationId }) => {
  const scope = visible(relation.model, organizationId)
  return all(part === true ? undefined : filter(relation.model, part, organizationId), scope)
}

const ownUnique: Nested = ({ model }, part, { organizationId }) =>
  unique(filter(model, part, organizationId), visible(model, organizationId))

/** A list identifies a row by a unique field; a single relation by any filter, or by none. */
const own: Nested = (relation, part, write) =>
  each(part, (one) =>
    one === false ? false : (relation.list ? ownUnique : ownFilter)(relation, one, write),
  )

const create: Nested = (relation, part, write) =>
  creation(relation.model, part, write, relation.backwards)

/** `true` selects every row of the relation, because no row was named. */
function whereOf(model: ModelName, one: Args): unknown {
  if (!('where' in one)) return true
  refuseUndefined(model, 'where', one.where, false)
  return one.where
}

/** Rewrites the `create`, `update`, `data` and `where` of one nested operation, if present. */
const parts: Nested = (relation, part, write) =>
  each(part, (one) => {
    if (!isRecord(one)) throw unscoped(relation.model, 'a nested write that is not an object')
    const { model } = relation
    return {
      ...one,
      where: own(relation, whereOf(relation.model, one), write),
      ...('create' in one ? { create: create(relation, one.create, write) } : {}),
      ...('update' in one ? { update: change(model, one.update, write) } : {}),
      ...('data' in one ? { data: change(model, one.data, write) } : {}),
    }
  })

/** Rewrites an operation on several rows, which any filter may select. */
const many: Nested = (relation, part, write) =>
  each(part, (one) => {
    if (!isRecord(one)) throw unscoped(relation.model, 'a nested write that is not an object')
    return {
      where: ownFilter(relation, whereOf(relation.model, one), write),
      data: change(relation.model, one.data, write),
    }
  })

/** `set` is missing on purpose: it would disconnect rows that it does not name. */
const NESTED: Record<string, Nested> = {
  connect: (relation, part, write) => each(part, (one) => ownUnique(relation, one, write)),
  connectOrCreate: (relation, part, write) =>
    each(part, (one) => {
      if (!isRecord(one)) throw unscoped(relation.model, 'a nested write that is not an object')
      return {
        where: ownUnique(relation, one.where, write),
        create: create(relation, one.create, write),
      }
    }),
  create,
  createMany: (relation, part, write) =>
    isRecord(part) ? { ...part, data: create(relation, part.data, write) } : part,
  delete: own,
  deleteMany: (relation, part, write) => each(part, (one) => ownFilter(relation, one, write)),
  disconnect: own,
  update: (relation, part, write) => {
    // A single relation also accepts the data itself, without `where` and `data` around it.
    const whole = isRecord(part) && 'data' in part
    return parts(relation, relation.list || whole ? part : { data: part }, write)
  },
  updateMany: many,
  upsert: parts,
}

const foreign = (model: ModelName) =>
  new TenancyError(
    'foreign_organization',
    `The data of ${model} names another organization. Leave the organization out.`,
  )
