/** The types of a client that is limited to one organization. */

import type { Db } from '../client.ts'
import type { Prisma } from '../generated/client.ts'

type Delegates = Omit<Db, `$${string}`>

/** Makes `organizationId` optional, because it is filled in. */
type Stamped<Row> = Row extends { organizationId: string }
  ? Omit<Row, 'organizationId'> & { organizationId?: string }
  : never
type One<Data> = Data extends readonly unknown[] ? never : Data
type Row<Delegate> = Stamped<One<Prisma.Args<Delegate, 'createMany'>['data']>>

/** The creating operations for rows without `organizationId`, beside Prisma's own forms. */
interface Stamping<Delegate> {
  create<Args extends Omit<Prisma.Args<Delegate, 'create'>, 'data'> & { data: Row<Delegate> }>(
    args: Args,
  ): Promise<Prisma.Result<Delegate, Args, 'create'>>
  createMany<
    Args extends Omit<Prisma.Args<Delegate, 'createMany'>, 'data'> & {
      data: Row<Delegate> | Row<Delegate>[]
    },
  >(args: Args): Promise<Prisma.BatchPayload>
  createManyAndReturn<
    Args extends Omit<Prisma.Args<Delegate, 'createManyAndReturn'>, 'data'> & {
      data: Row<Delegate> | Row<Delegate>[]
    },
  >(args: Args): Promise<Prisma.Result<Delegate, Args, 'createManyAndReturn'>>
  upsert<Args extends Omit<Prisma.Args<Delegate, 'upsert'>, 'create'> & { create: Row<Delegate> }>(
    args: Args,
  ): Promise<Prisma.Result<Delegate, Args, 'upsert'>>
}

type Scoped = {
  [Name in keyof Delegates]: Row<Delegates[Name]> extends never
    ? Delegates[Name]
    : Delegates[Name] & Stamping<Delegates[Name]>
}

/** The options of `$transaction`, in milliseconds, with Prisma's own names. */
export interface TransactionChoices {
  /** How long to wait for a free connection. Default 5,000. */
  maxWait?: number
  /** How long the transaction may run. Default 10,000. */
  timeout?: number
  /** Default: the database's, `ReadCommitted`. */
  isolationLevel?: Prisma.TransactionIsolationLevel
}

/** Every model of the client and `$transaction`, without raw SQL. */
export type OrganizationDb = Scoped & {
  /** Runs queries of the organization in one transaction. Absent if the client is a transaction itself. */
  $transaction<Result>(
    work: (tx: Omit<OrganizationDb, '$transaction'>) => Promise<Result>,
    options?: TransactionChoices,
  ): Promise<Result>
  $transaction<Queries extends readonly PromiseLike<unknown>[]>(
    queries: [...Queries],
    options?: TransactionChoices,
  ): Promise<{ -readonly [Key in keyof Queries]: Awaited<Queries[Key]> }>
}
