/**
 * A database client for Better Auth's adapter that answers some of its questions with rows that were read, or
 * written, by one statement of ours. Better Auth asks table by table; its adapter still maps and checks what it gets.
 *
 * @module
 */

import { AsyncLocalStorage } from 'node:async_hooks'

type Model = 'session' | 'user' | 'account'
type Method = 'findFirst' | 'findMany' | 'create'
// biome-ignore lint/suspicious/noExplicitAny: Prisma's arguments differ by model and method.
type Answer = (args: any) => Promise<unknown>

/** What is answered in place of the database, for as long as one call of the adapter lasts. */
export type Answers = { [M in Model]?: { [K in Method]?: Answer } }

const answers = new AsyncLocalStorage<Answers>()

/** `call` of an adapter over `answering(db)`, with `given` in place of the database. */
export const withAnswers = <T>(given: Answers, call: () => Promise<T>): Promise<T> =>
  answers.run(given, call)

/** `db`, and within `withAnswers` what was given there. */
export function answering<T extends object>(db: T): T {
  return new Proxy(db, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key)
      const given = answers.getStore()?.[key as Model]
      if (given)
        return new Proxy(value as object, { get: (own, name) => answerOf(given, own, name) })
      // Prisma's own methods go by the client itself.
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

const answerOf = (given: Partial<Record<string, Answer>>, own: object, name: string | symbol) =>
  (typeof name === 'string' ? given[name] : undefined) ?? Reflect.get(own, name)
