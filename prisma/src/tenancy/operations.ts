/**
 * Rewrites each operation of a model for one organization. An operation that is not listed is refused, so an
 * operation of a newer Prisma is refused, too.
 *
 * @module
 */

import type { Args, ModelName } from './model.ts'
import { read } from './reads.ts'
import { type Reference, withoutMade } from './references.ts'
import { all, unique, visible, writable } from './scope.ts'
import { change, creation } from './writes.ts'

/** `references` receives the rows that the data refers to, which are checked before the query is sent. */
type Rewrite = (
  model: ModelName,
  args: Args,
  organizationId: string,
  references?: Reference[],
) => Args

const find: Rewrite = (model, args, organizationId) => {
  const { args: walked, must } = read(model, args, organizationId)
  return { ...walked, where: all(walked.where, visible(model, organizationId), ...must) }
}

const findOne: Rewrite = (model, args, organizationId) => {
  const { args: walked, must } = read(model, args, organizationId)
  return { ...walked, where: unique(walked.where, visible(model, organizationId), ...must) }
}

/** The references of a new row are checked before it is written, so the query needs no further condition. */
const create: Rewrite = (model, args, organizationId, references = []) => {
  const found: Reference[] = []
  const data = creation(model, args.data, { organizationId, references: found })
  // A duplicate that is skipped may be another organization's row.
  const made = args.skipDuplicates ? [] : [data].flat()
  references.push(...withoutMade(found, model, made))
  return { ...read(model, args, organizationId).args, data }
}

const changeMany: Rewrite = (model, args, organizationId, references = []) => ({
  ...find(model, args, organizationId),
  data: change(model, args.data, { organizationId, references }),
})

/** The supported operations, each with its rewrite. */
export const OPERATIONS: Readonly<Record<string, Rewrite>> = {
  findUnique: findOne,
  findUniqueOrThrow: findOne,
  findFirst: find,
  findFirstOrThrow: find,
  findMany: find,
  count: find,
  aggregate: find,
  groupBy: find,
  create,
  createMany: create,
  createManyAndReturn: create,
  update: (model, args, organizationId, references = []) => ({
    ...findOne(model, args, organizationId),
    data: change(model, args.data, { organizationId, references }),
  }),
  updateMany: changeMany,
  updateManyAndReturn: changeMany,
  upsert: (model, args, organizationId, references = []) => ({
    ...findOne(model, args, organizationId),
    create: creation(model, args.create, { organizationId, references }),
    update: change(model, args.update, { organizationId, references }),
  }),
  delete: (model, args, organizationId) => {
    writable(model)
    return findOne(model, args, organizationId)
  },
  deleteMany: (model, args, organizationId) => {
    writable(model)
    return find(model, args, organizationId)
  },
}
