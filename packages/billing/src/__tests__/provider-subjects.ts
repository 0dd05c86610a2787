/** The providers over their real transports, as the conformance suite wants them. */

import { createHmac } from 'node:crypto'
import { createTestLogger } from '@repo/core/testing'
import { createSandbox } from '@repo/sandbox'
import { productOf, products } from '../catalog/products.ts'
import { createStripe, plans, pushPlans } from '../index.ts'
import { createLocalProvider, type LocalProvider } from '../providers/local/provider.ts'
import { createStripeProvider } from '../providers/stripe/provider.ts'
import type { ConformanceSubject } from '../testing.ts'
import { stripeWebhookRequest } from '../testing.ts'

export const HOOK = 'http://localhost:3000/api/webhooks'
export const once = productOf(products, 'CREDITS_SMALL')
export const plan = productOf(products, 'PRO_MONTHLY')

export const STRIPE_KEY = 'sk_test_conformance'
const STRIPE_SECRET = 'whsec_conformance'

/** Stripe's SDK over HTTP against the stand-in, in the shape of one API version. */
export async function stripeSubject(apiVersion: string): Promise<ConformanceSubject> {
  const sandbox = createSandbox({
    stripe: {
      secretKey: STRIPE_KEY,
      webhooks: [{ url: HOOK, secret: STRIPE_SECRET, apiVersion }],
      delivery: false,
    },
    logger: createTestLogger(),
  })
  const { url } = await sandbox.listen()
  const client = createStripe(STRIPE_KEY, { apiBase: url, apiVersion, maxNetworkRetries: 0 })
  await pushPlans(client, plans)
  const make = () =>
    createStripeProvider({
      stripe: client,
      plans,
      products,
      environment: () => 'test',
      webhookSecrets: () => [STRIPE_SECRET],
    })
  const { stripe } = sandbox
  return {
    provider: make(),
    other: make(),
    once,
    plan,
    secrets: [STRIPE_KEY, STRIPE_SECRET],
    world: {
      pay: (id) => stripe.completeCheckout(id),
      expire: (id) => client.checkout.sessions.expire(id),
      endPeriod: (id) => stripe.renew(id),
      refund: (payment_intent, amount) => client.refunds.create({ payment_intent, amount }),
      dispute: (id) => stripe.dispute(id),
      setDown: (isDown) => stripe.failNext({ status: 503, times: isDown ? 1_000_000 : 0 }),
      count() {
        const { sessions, paymentIntents, refunds } = stripe.snapshot().tables
        return sessions.length + paymentIntents.length + refunds.length
      },
      deliveries: () =>
        stripe.events.flatMap(({ id }) =>
          stripe.requestsOf(String(id)).map(({ headers, body }) => ({
            headers: new Headers(headers),
            body,
          })),
        ),
      sign: (body, which) =>
        stripeWebhookRequest(body, { secret: which === 'right' ? STRIPE_SECRET : 'whsec_other' })
          .headers,
    },
    close: () => sandbox.stop(),
  }
}

const LOCAL_SECRET = 'local-secret-conformance'

export async function localSubject(): Promise<ConformanceSubject & { provider: LocalProvider }> {
  const checkoutUrl = 'http://localhost:3000/billing/checkout'
  const provider = createLocalProvider({ checkoutUrl, webhookSecret: LOCAL_SECRET })
  const { controls } = provider
  const deliveries: { headers: Headers; body: string }[] = []
  return {
    provider,
    // It is one process's: there is no other.
    other: provider,
    once,
    plan,
    secrets: [LOCAL_SECRET],
    world: {
      pay: (id) => controls.completeCheckout(id),
      expire: (id) => provider.expireCheckout(id),
      endPeriod: (id) => controls.endPeriod(id),
      refund: (id, amount) => controls.refundPayment(id, amount),
      dispute: (id) => controls.dispute(id),
      setDown(isDown) {
        controls.isDown = isDown
      },
      count() {
        const made = ['refund.created', 'checkout.completed', 'subscription.paid']
        const paid = controls.events.filter(({ type }) => made.includes(type))
        return controls.checkouts.length + paid.length
      },
      deliveries() {
        for (const { eventId } of controls.events.slice(deliveries.length)) {
          const signed = controls.webhook(eventId)
          if (signed) deliveries.push({ headers: signed.headers, body: bodyOf(eventId) })
        }
        return deliveries
      },
      sign(body, which) {
        const time = Math.floor(Date.now() / 1000)
        const secret = which === 'right' ? LOCAL_SECRET : 'another'
        const mac = createHmac('sha256', secret).update(`${time}.${body}`).digest('hex')
        return new Headers({ 'tollgate-signature': `t=${time},v1=${mac}` })
      },
    },
    close: async () => {},
  }

  function bodyOf(eventId: string): string {
    return JSON.stringify(controls.events.find((event) => event.eventId === eventId))
  }
}
