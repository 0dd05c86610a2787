/**
 * Customers: one row per owner, then one customer at Stripe per row.
 *
 * @module
 */

import type { BillingContext } from './context.ts'
import { BillingError } from './errors.ts'
import { ask } from './stripe.ts'

export interface CustomerAtStripe {
  id: string
  ownerId: string
  stripeCustomerId: string
}

/**
 * The owner's customer, made where it is missing. Called at sign-up and again by everything that
 * needs a customer, so a sign-up while Stripe was away is made good by the first purchase.
 *
 * @throws `owner_not_found`, `provider_unavailable`, `provider_rejected`.
 */
export async function ensureCustomer(
  ctx: BillingContext,
  ownerId: string,
): Promise<CustomerAtStripe> {
  const found = await ctx.db.customer.findUnique({ where: { ownerId } })
  if (found?.stripeCustomerId) return { ...found, stripeCustomerId: found.stripeCustomerId }
  const owner = await ctx.owner(ownerId)
  if (!owner) throw new BillingError('owner_not_found', `There is no owner ${ownerId}.`)

  await ctx.db.customer.createMany({
    data: [{ ownerId, ownerType: owner.type }],
    skipDuplicates: true,
  })
  const row = await ctx.db.customer.findUniqueOrThrow({ where: { ownerId } })
  // Parallel calls share the key, so Stripe makes one customer and tells all of them about it.
  // What is sent under a key must never differ; name and address may, so they follow in an update.
  const customer = await ask(
    'customer',
    ctx.stripe.customers.create(
      { metadata: { ownerId, ownerType: owner.type } },
      { idempotencyKey: `cus:${row.id}` },
    ),
  )
  await ask(
    'customer',
    ctx.stripe.customers.update(customer.id, { email: owner.email, name: owner.name }),
  )
  await ctx.db.customer.updateMany({
    where: { id: row.id, stripeCustomerId: null },
    data: { stripeCustomerId: customer.id },
  })
  const linked = await ctx.db.customer.findUniqueOrThrow({ where: { ownerId } })
  return { ...linked, stripeCustomerId: linked.stripeCustomerId ?? customer.id }
}

/** Tells Stripe the owner's present name and address. Does nothing for an owner it never met. */
export async function updateCustomer(ctx: BillingContext, ownerId: string): Promise<void> {
  const [row, owner] = await Promise.all([
    ctx.db.customer.findUnique({ where: { ownerId } }),
    ctx.owner(ownerId),
  ])
  if (!row?.stripeCustomerId || !owner) return
  await ask(
    'customer',
    ctx.stripe.customers.update(row.stripeCustomerId, { email: owner.email, name: owner.name }),
  )
}
