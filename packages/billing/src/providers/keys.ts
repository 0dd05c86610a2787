/**
 * Idempotency keys within a process.
 *
 * @module
 */

import { BillingError } from '../errors.ts'

export interface Keys {
  /**
   * Does `act` once per key: the same question under the same key waits for, or gets, the first
   * answer. What failed is forgotten.
   *
   * @throws `provider_rejected` for another question under the key.
   */
  once<T>(key: string, question: unknown, act: () => Promise<T>): Promise<T>
}

/** Keys of which the `limit` newest are remembered. */
export function createKeys(limit = Number.POSITIVE_INFINITY): Keys {
  const answers = new Map<string, { question: string; answer: Promise<unknown> }>()
  return {
    async once<T>(key: string, asked: unknown, act: () => Promise<T>): Promise<T> {
      const question = JSON.stringify(asked)
      const first = answers.get(key) ?? { question, answer: act() }
      if (first.question !== question) {
        throw new BillingError(
          'provider_rejected',
          'The idempotency key was used for another request.',
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
