/**
 * A database client for Better Auth's adapter that answers some of its queries with rows from one statement
 * of ours. Better Auth queries table by table; its adapter still maps and checks the rows that it gets.
 *
 * @module
 */

import { AsyncLocalStorage } from 'node:async_hooks'

type Model = 'session' | 'user' | 'account'
type Method = 'findFirst' | 'findMany' | 'create'
// biome-ignore lint/suspicious/noExplicitAny: Prisma's arguments differ by model and method.
type Answer = (args: any) => Promise<unknown>

/** The answers that replace the database during one call of the adapter. */
export type Answers = { [M in Model]?: { [K in Method]?: Answer } }

const answers = new AsyncLocalStorage<Answers>()

/** Runs `call`, in which a client from `answering` takes its rows from `given` instead of the database. */
export const withAnswers = <T>(given: Answers, call: () => Promise<T>): Promise<T> =>
  answers.run(given, call)

/** Wraps `db` so that `withAnswers` can replace its answers. */
export function answering<T extends object>(db: T): T {
  return new Proxy(db, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key)
      const given = answers.getStore()?.[key as Model]
      if (given)
        return new Proxy(value as object, { get: (own, name) => answerOf(given, own, name) })
      // Prisma's own methods need the client as `this`.
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

const answerOf = (given: Partial<Record<string, Answer>>, own: object, name: string | symbol) =>
  (typeof name === 'string' ? given[name] : undefined) ?? Reflect.get(own, name)
