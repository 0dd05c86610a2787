/**
 * The promises of `Idempotency-Key`. A request that had begun gets the same response for a day, even if it
 * was a 500. A request that was refused before it began frees its key. Of two simultaneous requests with one
 * key only one begins.
 *
 * @see https://docs.stripe.com/api/idempotent_requests
 * @module
 */

import { createHash } from 'node:crypto'
import { StripeApiError } from './errors.ts'
import type { KeptAnswer, Store } from './store.ts'

/** How long a response is kept under its key, in milliseconds of wall time. */
const ANSWER_LIFE_MS = 24 * 60 * 60 * 1000

/**
 * The most responses kept; beyond that the oldest is dropped early. Retries with one key come soon after each
 * other, and a long run must not fill the memory.
 */
const MAX_ANSWERS = 20_000

/** The response as it is sent. `isKept` means that the request had begun, so its key is used up. */
export interface Answer {
  status: number
  body: string
  requestId: string
  isKept: boolean
}

/** The key of a request; undefined if it has none. @throws `idempotency_error` for a bad key */
export function keyOf(method: string, header: string | undefined): string | undefined {
  const key = method === 'POST' ? header : undefined
  if (key === undefined || (key !== '' && key.length <= 255)) return key
  throw idempotencyError(400, 'Idempotency keys must be between 1 and 255 characters long.')
}

/**
 * Reserves a key while its request runs. A request that only repeats a kept response reserves nothing.
 *
 * @returns a function that frees the key
 * @throws `idempotency_key_in_use`, 409, if another request with the key is still running
 */
export function takeKey(store: Store, busy: Set<string>, key: string | undefined): () => void {
  if (key === undefined) return () => {}
  if (busy.has(key)) {
    throw new StripeApiError(
      'idempotency_key_in_use',
      409,
      'There is currently another in-progress request using this idempotency key. Please try again later.',
      { type: 'idempotency_error' },
    )
  }
  if (keptAnswer(store, key) !== undefined) return () => {}
  busy.add(key)
  return () => void busy.delete(key)
}

/** Runs a request, or repeats the response kept under its key. */
export function runOnce(
  store: Store,
  { key, path, text }: { key: string | undefined; path: string; text: string },
  run: () => Answer,
): { answer: Answer; isReplay: boolean } {
  if (key === undefined) return { answer: run(), isReplay: false }
  const fingerprint = createHash('sha256').update(`${path}\n${text}`).digest('hex')
  const kept = keptAnswer(store, key)
  if (kept !== undefined && kept.fingerprint !== fingerprint) {
    throw idempotencyError(
      400,
      'Keys for idempotent requests can only be used with the same parameters they were first used with.',
    )
  }
  if (kept !== undefined) return { answer: { ...kept, isKept: true }, isReplay: true }
  const { isKept, ...made } = run()
  if (isKept) keepAnswer(store, key, { ...made, fingerprint, at: Date.now() })
  return { answer: { ...made, isKept }, isReplay: false }
}

/** Keeps a response and removes expired ones, which are the oldest. */
function keepAnswer(store: Store, key: string, answer: KeptAnswer): void {
  store.answers.set(key, answer)
  for (const [oldest, { at }] of store.answers) {
    if (store.answers.size <= MAX_ANSWERS && answer.at - at < ANSWER_LIFE_MS) break
    store.answers.delete(oldest)
  }
}

function keptAnswer(store: Store, key: string): KeptAnswer | undefined {
  const kept = store.answers.get(key)
  if (kept === undefined || Date.now() - kept.at < ANSWER_LIFE_MS) return kept
  store.answers.delete(key)
  return undefined
}

const idempotencyError = (status: number, message: string): StripeApiError =>
  new StripeApiError('idempotency_error', status, message, { type: 'idempotency_error' })
