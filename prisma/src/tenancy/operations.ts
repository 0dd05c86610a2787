/**
 * What each operation of a model becomes for one organization. An operation that is not listed is
 * refused, whatever a newer Prisma adds.
 *
 * @module
 */

import type { Args, ModelName } from './model.ts'
import { read } from './reads.ts'
import { all, unique, visible, writable } from './scope.ts'
import { change, creation } from './writes.ts'

type Rewrite = (model: ModelName, args: Args, organizationId: string) => Args

const find: Rewrite = (model, args, organizationId) => {
  const { args: walked, must } = read(model, args, organizationId)
  return { ...walked, where: all(walked.where, visible(model, organizationId), ...must) }
}

const findOne: Rewrite = (model, args, organizationId) => {
  const { args: walked, must } = read(model, args, organizationId)
  return { ...walked, where: unique(walked.where, visible(model, organizationId), ...must) }
}

/** What a new row points to was checked as it was written, so there is nothing it must satisfy. */
const create: Rewrite = (model, args, organizationId) => ({
  ...read(model, args, organizationId).args,
  data: creation(model, args.data, organizationId),
})

const changeMany: Rewrite = (model, args, organizationId) => ({
  ...find(model, args, organizationId),
  data: change(model, args.data, organizationId),
})

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
  update: (model, args, organizationId) => ({
    ...findOne(model, args, organizationId),
    data: change(model, args.data, organizationId),
  }),
  updateMany: changeMany,
  updateManyAndReturn: changeMany,
  upsert: (model, args, organizationId) => ({
    ...findOne(model, args, organizationId),
    create: creation(model, args.create, organizationId),
    update: change(model, args.update, organizationId),
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
