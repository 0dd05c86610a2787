/**
 * Delivers as the provider does: many deliveries at a time, each with a time limit, repeated until the answer
 * is 200. A delivery that has to be refused is repeated until it is refused.
 *
 * @module
 */

import { setTimeout as wait } from 'node:timers/promises'
import {
  createRandom,
  type DeliveryKind,
  type Due,
  hashOf,
  signDelivery,
  type Violation,
} from '../drill/index.ts'
import { WEBHOOK_SECRET } from './product.ts'

/** Deliveries at a time. */
const AT_ONCE = 24
/** The time limit of an answer. */
const ANSWER_MS = 20_000
const RETRY_MS = { first: 100, most: 1_500 }
/** A delivery is given up after this long without any success, or after this many tries. */
const GIVE_UP = { stillMs: 300_000, tries: 500 }

/** Where to deliver. */
export interface PostmanOptions {
  seed: number
  /** URLs of the running hosts. */
  hosts(): string[]
  onDelivered(): void
}

/** Delivers events and records the answers. */
export interface Postman {
  /** Number of deliveries that began, by kind. */
  readonly made: Record<DeliveryKind, number>
  /** Number of requests for these deliveries. */
  readonly tries: number
  /** For each event that was answered with 200: the hash of its bytes. */
  readonly answered: Map<string, string>
  readonly violations: Violation[]
  /** Begins a delivery as soon as there is room for one more. */
  deliver(due: Due): Promise<void>
  /** Resolves once no delivery is under way. */
  settled(): Promise<void>
}

/** Creates a postman without deliveries. */
export function createPostman({ seed, hosts, onDelivered }: PostmanOptions): Postman {
  const random = createRandom(seed, 6)
  const made = { genuine: 0, damaged: 0, forged: 0, stale: 0, early: 0 }
  const answered = new Map<string, string>()
  const violations: Violation[] = []
  const open = new Set<Promise<void>>()
  let tries = 0
  let answeredAt = Date.now()

  /** The status of the answer. Null: no answer arrived. */
  const attempt = async (body: string, signature: string): Promise<number | null> => {
    const all = hosts()
    const host = all[random.whole(all.length)]
    if (!host) return null
    tries += 1
    try {
      const response = await fetch(`${host}/api/webhooks/stripe`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'stripe-signature': signature },
        body,
        signal: AbortSignal.timeout(ANSWER_MS),
      })
      await response.arrayBuffer()
      return response.status
    } catch {
      return null
    }
  }
  const run = async ({ kind, body, eventId: id }: Due): Promise<void> => {
    const wanted = kind === 'genuine' ? 200 : 400
    const began = Date.now()
    let pause = RETRY_MS.first
    for (let count = 1; ; count += 1) {
      // Each try has a new signature, as at the provider.
      const signed = signDelivery(kind, body, WEBHOOK_SECRET)
      const status = await attempt(signed.body, signed.signature)
      if (status === wanted) {
        answeredAt = Date.now()
        if (kind === 'genuine') answered.set(id, hashOf(signed.body))
        return
      }
      const isRefused = status !== null && status < 500
      const isStill = Date.now() - Math.max(began, answeredAt) > GIVE_UP.stillMs
      if (isRefused || isStill || count >= GIVE_UP.tries) {
        const message = `${kind} delivery: answered with ${status ?? 'nothing'} instead of ${wanted}`
        violations.push({ invariant: kind === 'genuine' ? 'event' : 'refused', id, message })
        return
      }
      await wait(pause)
      pause = Math.min(2 * pause, RETRY_MS.most)
    }
  }
  return {
    made,
    get tries() {
      return tries
    },
    answered,
    violations,
    async deliver(due) {
      while (open.size >= AT_ONCE) await Promise.race(open)
      made[due.kind] += 1
      const delivery = run(due).finally(() => {
        open.delete(delivery)
        onDelivered()
      })
      open.add(delivery)
    },
    async settled() {
      await Promise.all(open)
    },
  }
}
