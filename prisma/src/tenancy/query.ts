/** A query as the caller gets it: it is sent when it is awaited, alone or as part of a transaction. */

import type { Db } from '../client.ts'
import { models } from './generated/models.ts'
import { isRecord, type ModelName } from './model.ts'
import type { Reference } from './references.ts'

/** A query that was rewritten for one organization. */
export interface Prepared {
  /** The rows that must belong to the organization before the query is sent. */
  references: readonly Reference[]
  send(db: Db): PromiseLike<unknown>
}

/** Runs one query; `prepare` throws if the query is refused. */
export type Run = (prepare: () => Prepared) => Promise<unknown>

/** A query that is sent once, when it is first awaited. */
export class Query implements PromiseLike<unknown> {
  #answer: Promise<unknown> | undefined
  readonly #model: ModelName
  readonly organizationId: string
  readonly #run: Run
  readonly #args: unknown
  readonly #prepare: (args: unknown) => Prepared
  readonly [Symbol.toStringTag] = 'Query'

  constructor(
    model: ModelName,
    organizationId: string,
    run: Run,
    args: unknown,
    prepare: (args: unknown) => Prepared,
  ) {
    this.#model = model
    this.organizationId = organizationId
    this.#run = run
    this.#args = args
    this.#prepare = prepare
  }

  prepare(): Prepared {
    return this.#prepare(this.#args)
  }

  // biome-ignore lint/suspicious/noThenProperty: like a Prisma query, it is sent when it is awaited.
  then: PromiseLike<unknown>['then'] = (fulfilled, rejected) =>
    this.#settle().then(fulfilled, rejected)
  catch = (rejected: (error: unknown) => unknown) => this.#settle().catch(rejected)
  finally = (done: () => void) => this.#settle().finally(done)

  #settle(): Promise<unknown> {
    this.#answer ??= this.#run(() => this.prepare())
    return this.#answer
  }

  /** Supports Prisma's fluent form: `findUnique(…).user()` selects the relation and returns only that. */
  withRelations(): this {
    for (const name of Object.keys(models[this.#model].relations)) {
      Object.defineProperty(this, name, {
        value: async (args: unknown = true) => {
          const { select: _, include: __, ...rest } = isRecord(this.#args) ? this.#args : {}
          const row = await this.#run(() => this.#prepare({ ...rest, select: { [name]: args } }))
          return isRecord(row) ? (row[name] ?? null) : null
        },
      })
    }
    return this
  }
}
