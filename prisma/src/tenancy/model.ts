/** The facts about the schema that tenant isolation needs; written by `generator/tenancy.mjs`. */

import type { Db } from '../client.ts'
import type { Prisma } from '../generated/client.ts'

/** A table with its tenancy, columns and relations. */
export interface Model {
  table: string
  /** The owner of the rows, from the `@tenancy` line in the schema. */
  tenancy: 'organization' | 'owner' | 'global' | 'undeclared'
  /** The words of that line: a column, relations, or `readable`. */
  by: readonly string[]
  columns: readonly string[]
  relations: Readonly<Record<string, Relation>>
}

/** A relation from one model to another. */
export interface Relation {
  model: Prisma.ModelName
  list: boolean
  optional: boolean
  /** The columns of this model that refer to the other one. Empty: the other model refers to this one. */
  from: readonly string[]
  to: readonly string[]
  /** The columns of the other model that refer to this one. */
  backwards: readonly string[]
}

export type Models = Readonly<Record<Prisma.ModelName, Model>>
export type ModelName = Prisma.ModelName

/** An argument of a query, or part of one, as the caller passed it. */
export type Args = Record<string, unknown>

/** Whether `value` is a plain record, and not a list, a date, a decimal or another value. */
export const isRecord = (value: unknown): value is Args =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The delegate of a model: `db.invitation` for `Invitation`. */
export const delegateIn = (db: Db, model: ModelName) =>
  Reflect.get(
    db,
    model.replace(/^./, (letter) => letter.toLowerCase()),
  ) as Readonly<Record<string, (args: Args) => PromiseLike<unknown>>>
