/** A query as it is handed to the caller: sent when awaited, alone or as a part of a transaction. */

import type { Db } from '../client.ts'
import { models } from './generated/models.ts'
import { isRecord, type ModelName } from './model.ts'

/** Runs one query, given as what to do with a client. */
export type Run = (query: (db: Db) => PromiseLike<unknown>) => Promise<unknown>

export class Query implements PromiseLike<unknown> {
  #answer: Promise<unknown> | undefined
  readonly #model: ModelName
  readonly organizationId: string
  readonly #run: Run
  readonly #args: unknown
  readonly #send: (db: Db, args: unknown) => PromiseLike<unknown>
  readonly [Symbol.toStringTag] = 'Query'

  constructor(
    model: ModelName,
    organizationId: string,
    run: Run,
    args: unknown,
    send: (db: Db, args: unknown) => PromiseLike<unknown>,
  ) {
    this.#model = model
    this.organizationId = organizationId
    this.#run = run
    this.#args = args
    this.#send = send
  }

  send(db: Db): PromiseLike<unknown> {
    return this.#send(db, this.#args)
  }

  // biome-ignore lint/suspicious/noThenProperty: a query of Prisma's is sent when it is awaited, too.
  then: PromiseLike<unknown>['then'] = (fulfilled, rejected) =>
    this.#settle().then(fulfilled, rejected)
  catch = (rejected: (error: unknown) => unknown) => this.#settle().catch(rejected)
  finally = (done: () => void) => this.#settle().finally(done)

  #settle(): Promise<unknown> {
    this.#answer ??= this.#run((db) => this.send(db))
    return this.#answer
  }

  /** Prisma's fluent form: `findUnique(…).user()` selects the relation and answers it alone. */
  withRelations(): this {
    for (const name of Object.keys(models[this.#model].relations)) {
      Object.defineProperty(this, name, {
        value: async (args: unknown = true) => {
          const { select: _, include: __, ...rest } = isRecord(this.#args) ? this.#args : {}
          const row = await this.#run((db) => this.#send(db, { ...rest, select: { [name]: args } }))
          return isRecord(row) ? (row[name] ?? null) : null
        },
      })
    }
    return this
  }
}
