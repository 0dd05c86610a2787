/** What tenant isolation knows of the schema; written by `generator/tenancy.mjs`. */

import type { Db } from '../client.ts'
import type { Prisma } from '../generated/client.ts'

export interface Model {
  table: string
  /** Whose the rows are: the `@tenancy` line in the schema. */
  tenancy: 'organization' | 'owner' | 'global' | 'undeclared'
  /** What the line names: a column, relations, or `readable`. */
  by: readonly string[]
  columns: readonly string[]
  relations: Readonly<Record<string, Relation>>
}

export interface Relation {
  model: Prisma.ModelName
  list: boolean
  optional: boolean
  /** The columns here that point there. Empty: the other side points here. */
  from: readonly string[]
  to: readonly string[]
  /** The columns there that point here. */
  backwards: readonly string[]
}

export type Models = Readonly<Record<Prisma.ModelName, Model>>
export type ModelName = Prisma.ModelName

/** An argument of a query, or a part of one, as it comes from a caller. */
export type Args = Record<string, unknown>

/** A record and not a list, a date, a decimal or another value. */
export const isRecord = (value: unknown): value is Args =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** `db.invitation` for `Invitation`. */
export const delegateIn = (db: Db, model: ModelName) =>
  Reflect.get(
    db,
    model.replace(/^./, (letter) => letter.toLowerCase()),
  ) as Readonly<Record<string, (args: Args) => PromiseLike<unknown>>>
