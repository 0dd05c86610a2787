/**
 * The product as a process of the drill runs it: everything as in production, with shorter times,
 * and with effects that are counted and now and then fail or end the process.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { createDb } from '@repo/db'
import { silent } from '../bench/silent.ts'
import { createBilling, createStripe } from '../src/index.ts'
import { countingEffects, createRandom, type DrillOwner } from '../src/testing.ts'
import type { LifeSettings, System } from './system.ts'

export const SECRET_KEY = 'sk_test_drill'
export const WEBHOOK_SECRET = 'whsec_drill'
export const APP_URL = 'http://localhost:3000'

export interface ProductSettings extends LifeSettings {
  databaseUrl: string
  stripeUrl: string
  seed: number
  /** How long a pass may take over a customer before another may, and an answer of the provider. */
  leaseMs: number
  timeoutMs: number
  /** The file that takes the key of each mail. */
  mails: string
}

/** The processes of the product. When it is calm, handlers do not fail. */
export type Product = System<'host' | 'worker'>

const SHARE_THROWS = 0.01
const SHARE_DIES = 0.0015

/** Billing over its own connections. The parent's word `calm` ends the failing. */
export function createProduct({ databaseUrl, stripeUrl, mails, ...settings }: ProductSettings) {
  const { leaseMs, timeoutMs } = settings
  const random = createRandom(settings.seed, 4, settings.number)
  let { isCalm } = settings
  process.on('message', (message) => {
    if (message === 'calm') isCalm = true
  })
  const fails = (): boolean => {
    if (isCalm) return false
    // In the middle of the transaction, after the handler has written.
    if (random.chance(SHARE_DIES)) process.kill(process.pid, 'SIGKILL')
    return random.chance(SHARE_THROWS)
  }
  const db = createDb(databaseUrl, { maxConnections: 6 })
  const billing = createBilling({
    db,
    stripe: createStripe(SECRET_KEY, {
      // What was refused is tried again by what asks.
      limits: { tries: 1 },
      apiBase: stripeUrl,
      timeoutMs,
      maxNetworkRetries: 1,
    }),
    stripeWebhookSecrets: [WEBHOOK_SECRET],
    appUrl: APP_URL,
    livemode: false,
    logger: silent,
    effects: countingEffects(fails),
    events: { leaseMs, retryDelaysMs: Array(300).fill(400) },
    sender: {
      async sendEmail(_template, _to, _props, options) {
        appendFileSync(mails, `${options?.idempotencyKey ?? ''}\n`)
        return { id: 'none', provider: 'none', deduplicated: null }
      },
    },
  })
  return { db, billing }
}

/** Who a number of the history is: the same in every process. */
export function ownerOf(seed: number, who: number): DrillOwner {
  const hex = createHash('sha256').update(`${seed} ${who}`).digest('hex')
  const ownerId = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)]
  const id = `${ownerId.join('-')}-${hex.slice(20, 32)}`
  return { ownerId: id, email: `${id}@example.com` }
}
