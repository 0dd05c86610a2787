/**
 * Idempotency keys that are remembered in the process, for providers that do not keep them.
 *
 * @module
 */

import { BillingError } from '../errors.ts'

/** Remembered idempotency keys. */
export interface Keys {
  /**
   * Calls `act` once per key. A second call with the same key and the same question gets the first answer, and waits
   * for it if need be. A failure is forgotten, so that the next call tries again.
   *
   * @throws `provider_rejected` for another question under the same key.
   */
  once<T>(key: string, question: unknown, act: () => Promise<T>): Promise<T>
}

/** Remembers the `limit` newest keys. Default: all. */
export function createKeys(limit = Number.POSITIVE_INFINITY): Keys {
  const answers = new Map<string, { question: string; answer: Promise<unknown> }>()
  return {
    async once<T>(key: string, asked: unknown, act: () => Promise<T>): Promise<T> {
      const question = JSON.stringify(asked)
      const first = answers.get(key) ?? { question, answer: act() }
      if (first.question !== question) {
        throw new BillingError(
          'provider_rejected',
          'The idempotency key was already used for another request. Use a new key.',
        )
      }
      answers.set(key, first)
      const [oldest] = answers.keys()
      if (answers.size > limit && oldest !== undefined) answers.delete(oldest)
      try {
        return structuredClone(await first.answer) as T
      } catch (error) {
        answers.delete(key)
        throw error
      }
    },
  }
}
