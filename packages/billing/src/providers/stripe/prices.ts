/**
 * The products and prices at Stripe that stand for the plans.
 *
 * @module
 */

import type Stripe from 'stripe'
import { type Interval, type Plan, type Plans, priceOf } from '../../catalog/plans.ts'
import { BillingError } from '../../errors.ts'
import { ask } from './client.ts'

/** Stripe's active price of the plan called `name`. @throws `plan_not_found`, `price_not_found`. */
export async function stripePriceOf(
  stripe: Stripe,
  plans: Plans,
  name: string,
  interval: Interval,
): Promise<Stripe.Price> {
  const { lookupKey } = priceOf(plans, name, interval)
  const prices = await ask(
    'list',
    stripe.prices.list({ lookup_keys: [lookupKey], active: true, limit: 1 }),
  )
  const [price] = prices.data
  if (price) return price
  throw new BillingError(
    'price_not_found',
    `Stripe has no active price with the lookup key ${lookupKey}. Run \`pnpm billing plans push\`.`,
  )
}

/**
 * Brings Stripe's products and prices in line with `plans`, and returns the lookup keys of the prices that it made. A
 * price that differs is replaced: the lookup key moves to the new price, and subscriptions keep the old one. Nothing
 * is deleted.
 */
export async function pushPlans(stripe: Stripe, plans: Plans): Promise<string[]> {
  const made: string[] = []
  for (const [name, plan] of Object.entries(plans)) {
    if (!plan.prices) continue
    const product = await ensureProduct(stripe, name, plan)
    for (const [interval, price] of Object.entries(plan.prices)) {
      const found = await ask(
        'list',
        stripe.prices.list({ lookup_keys: [price.lookupKey], active: true, limit: 1 }),
      )
      const [present] = found.data
      if (
        present?.unit_amount === price.amount &&
        present.currency === price.currency &&
        present.recurring?.interval === interval
      ) {
        continue
      }
      await ask(
        'price',
        stripe.prices.create({
          product,
          unit_amount: price.amount,
          currency: price.currency,
          recurring: { interval: interval as Interval },
          lookup_key: price.lookupKey,
          transfer_lookup_key: true,
        }),
      )
      made.push(price.lookupKey)
    }
  }
  return made
}

async function ensureProduct(stripe: Stripe, name: string, plan: Plan): Promise<string> {
  for await (const product of stripe.products.list({ active: true, limit: 100 })) {
    if (product.metadata.plan === name) return product.id
  }
  const product = await ask(
    'product',
    stripe.products.create({ name: plan.name, metadata: { plan: name } }),
  )
  return product.id
}
