/** A worker in a process of its own that comes to one place, says so, and never gets beyond it. */

import { createTestLogger } from '@repo/core/testing'
import { createDb } from '@repo/db'
import { createWorker } from '@repo/jobs'
import Stripe from 'stripe'
import { createBilling, type EffectHandlers, STRIPE_API_VERSION } from '../index.ts'
import { countingEffects } from '../testing.ts'

/** Inside an effect, its row written; waiting for Stripe's answer; before the mail goes out. */
export type Place = 'effect' | 'provider' | 'mail'

const [databaseUrl = '', stripeUrl = '', place] = process.argv.slice(2)

function comeTo(reached: Place): Promise<void> | undefined {
  if (reached !== place) return
  process.stdout.write('there\n')
  return new Promise(() => {})
}

const counting = countingEffects()
const effects: EffectHandlers = {
  ...counting,
  async 'subscription.activated'(tx, effect) {
    await counting['subscription.activated']?.(tx, effect)
    await comeTo('effect')
  },
}
const { hostname: host, port } = new URL(stripeUrl)
const billing = createBilling({
  db: createDb(databaseUrl),
  stripe: new Stripe('sk_test_harness', {
    host,
    port,
    protocol: 'http',
    apiVersion: STRIPE_API_VERSION as Stripe.LatestApiVersion,
    httpClient: Stripe.createFetchHttpClient(async (url, init) => {
      // Which account the key is for is asked before an event is claimed.
      if (!String(url).endsWith('/v1/account')) await comeTo('provider')
      return fetch(url, init)
    }),
  }),
  appUrl: 'http://localhost:3000',
  logger: createTestLogger(),
  sender: {
    async sendEmail() {
      await comeTo('mail')
      throw new Error('this worker sends no mail')
    },
  },
  effects,
})
await createWorker({
  databaseUrl,
  jobs: [billing.jobs],
  beatMs: 100,
  logger: createTestLogger(),
})
