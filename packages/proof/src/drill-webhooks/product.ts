/**
 * Billing as a process of the drill runs it: as in production, but with shorter times, and with handlers that
 * count effects and sometimes fail or kill the process.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { createBilling, createStripe } from '@repo/billing'
import { countingEffects } from '@repo/billing/testing'
import { createDb } from '@repo/db'
import { createRandom, type DrillOwner } from '../drill/index.ts'
import { silent } from '../harness/silent.ts'
import type { LifeSettings, System } from './system.ts'

/** Keys and host of the drill. */
export const SECRET_KEY = 'sk_test_drill'
export const WEBHOOK_SECRET = 'whsec_drill'
export const APP_URL = 'http://localhost:3000'

/** The settings of a process. */
export interface ProductSettings extends LifeSettings {
  databaseUrl: string
  stripeUrl: string
  seed: number
  /** How long a process may hold events before another may take them. */
  leaseMs: number
  /** How long an answer of the provider may take. */
  timeoutMs: number
  /** The file to which the key of each mail is appended. */
  mails: string
}

/** The processes of the product. After `calm` handlers no longer fail. */
export type Product = System<'host' | 'worker'>

/** Shares of handler calls that throw, and that kill the process. */
const SHARE_THROWS = 0.01
const SHARE_DIES = 0.0015

/** Creates billing with a database client of its own. The parent's message `calm` ends the failures of handlers. */
export function createProduct({ databaseUrl, stripeUrl, mails, ...settings }: ProductSettings) {
  const { leaseMs, timeoutMs } = settings
  const random = createRandom(settings.seed, 4, settings.number)
  let { isCalm } = settings
  process.on('message', (message) => {
    if (message === 'calm') isCalm = true
  })
  const fails = (): boolean => {
    if (isCalm) return false
    // The kill comes within the transaction, after the handler's write.
    if (random.chance(SHARE_DIES)) process.kill(process.pid, 'SIGKILL')
    return random.chance(SHARE_THROWS)
  }
  const db = createDb(databaseUrl, { maxConnections: 6 })
  const billing = createBilling({
    db,
    stripe: createStripe(SECRET_KEY, {
      // The limiter does not retry, because the event or the visit is retried.
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

/** The owner of a customer's number in the history, the same in every process. */
export function ownerOf(seed: number, who: number): DrillOwner {
  const hex = createHash('sha256').update(`${seed} ${who}`).digest('hex')
  const ownerId = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)]
  const id = `${ownerId.join('-')}-${hex.slice(20, 32)}`
  return { ownerId: id, email: `${id}@example.com` }
}
