/**
 * Customers: one row per owner, then one customer at Stripe per row.
 *
 * @module
 */

import type { Customer, Db } from '@repo/db'
import type { BillingContext, Owner } from './context.ts'
import { BillingError } from './errors.ts'
import { ask } from './stripe.ts'

export type LinkedCustomer = Customer & { stripeCustomerId: string }

export const isLinked = (customer: Customer | null): customer is LinkedCustomer =>
  customer !== null && customer.stripeCustomerId !== null

/**
 * The owner's customer, made where it is missing. Called at sign-up and again by everything that
 * needs a customer, so a sign-up while Stripe was away is made good by the first purchase.
 *
 * @throws `owner_not_found`, `provider_unavailable`, `provider_rejected`.
 */
export async function ensureCustomer(
  ctx: BillingContext,
  ownerId: string,
): Promise<LinkedCustomer> {
  const found = await ctx.db.customer.findUnique({ where: { ownerId } })
  if (isLinked(found)) return found
  const owner = await ctx.owner(ownerId)
  if (!owner) throw new BillingError('owner_not_found', `There is no owner ${ownerId}.`)

  await ctx.db.customer.createMany({
    data: [{ ownerId, ownerType: owner.type }],
    skipDuplicates: true,
  })
  const row = await ctx.db.customer.findUniqueOrThrow({ where: { ownerId } })
  const stripeCustomerId = (await findAtStripe(ctx, ownerId)) ?? (await create(ctx, row, owner))
  await ask(
    'customer',
    ctx.stripe.customers.update(stripeCustomerId, { email: owner.email, name: owner.name }),
  )
  await ctx.db.customer.updateMany({
    where: { id: row.id, stripeCustomerId: null },
    data: { stripeCustomerId },
  })
  const linked = await ctx.db.customer.findUniqueOrThrow({ where: { ownerId } })
  return { ...linked, stripeCustomerId: linked.stripeCustomerId ?? stripeCustomerId }
}

/**
 * The owner's customer, made where it is missing, with whoever takes the payments: at Stripe there is one
 * before anything is bought, elsewhere the first purchase makes it. Throws like `ensureCustomer`.
 */
export async function registerCustomer(ctx: BillingContext, ownerId: string): Promise<Customer> {
  if (ctx.provider.name === 'stripe') return ensureCustomer(ctx, ownerId)
  const owner = await ctx.owner(ownerId)
  if (!owner) throw new BillingError('owner_not_found', `There is no owner ${ownerId}.`)
  await ctx.db.customer.createMany({
    data: [{ ownerId, ownerType: owner.type }],
    skipDuplicates: true,
  })
  return ctx.db.customer.findUniqueOrThrow({ where: { ownerId } })
}

/**
 * One that was made and not linked, because we crashed between. Its idempotency key lapses after a
 * day, so it is searched for first; the search lags behind by seconds, so the key is needed too.
 */
async function findAtStripe(ctx: BillingContext, ownerId: string): Promise<string | null> {
  const quote = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  const query = [
    `metadata['ownerId']:${quote(ownerId)}`,
    `metadata['environment']:${quote(ctx.appUrl.host)}`,
  ].join(' AND ')
  const found = await ask('search_result', ctx.stripe.customers.search({ query, limit: 1 }))
  return found.data[0]?.id ?? null
}

/**
 * Parallel calls share the key, so Stripe makes one customer and tells all of them about it. What
 * is sent under a key must never differ; name and address may, so they follow in an update. After
 * a deletion the key is another: under the old one Stripe would answer with the deleted customer.
 */
async function create(ctx: BillingContext, row: Customer, owner: Owner): Promise<string> {
  const { ownerId, unlinkedAt } = row
  const environment = ctx.appUrl.host
  const generation = unlinkedAt ? `:${unlinkedAt.getTime()}` : ''
  const customer = await ask(
    'customer',
    ctx.stripe.customers.create(
      { metadata: { ownerId, ownerType: owner.type, environment } },
      { idempotencyKey: `cus:${environment}:${ownerId}${generation}` },
    ),
  )
  return customer.id
}

/**
 * Tells Stripe the owner's present name and address, and those of the organizations that a user owns, because the
 * invoices of an organization go to its first owner. Does nothing for an owner it never met.
 */
export async function updateCustomer(ctx: BillingContext, ownerId: string): Promise<void> {
  await tell(ctx, ownerId)
  const owned = await ctx.db.member.findMany({
    where: { userId: ownerId, role: 'OWNER' },
    select: { organizationId: true },
  })
  for (const { organizationId } of owned) await tell(ctx, organizationId)
}

async function tell(ctx: BillingContext, ownerId: string): Promise<void> {
  const [row, owner] = await Promise.all([
    ctx.db.customer.findUnique({ where: { ownerId } }),
    ctx.owner(ownerId),
  ])
  if (!isLinked(row) || !owner) return
  await ask(
    'customer',
    ctx.stripe.customers.update(row.stripeCustomerId, { email: owner.email, name: owner.name }),
  )
}

/**
 * Writes down that the provider's customer was deleted there, which ends its subscriptions, those the
 * provider no longer tells of included. The history stays; the next purchase makes a new customer.
 * `tx` holds the customer's row.
 */
export async function unlinkCustomer(
  ctx: BillingContext,
  tx: Db,
  customer: LinkedCustomer,
): Promise<void> {
  const { count } = await tx.customer.updateMany({
    where: { id: customer.id, stripeCustomerId: customer.stripeCustomerId },
    data: {
      stripeCustomerId: null,
      unlinkedAt: new Date(),
      formerStripeIds: { push: customer.stripeCustomerId },
    },
  })
  if (count === 0) return
  await tx.formerCustomer.createMany({
    data: [{ stripeCustomerId: customer.stripeCustomerId, customerId: customer.id }],
    skipDuplicates: true,
  })
  await tx.subscription.updateMany({
    where: {
      customerId: customer.id,
      provider: 'stripe',
      status: { notIn: ['canceled', 'incomplete_expired'] },
    },
    data: { status: 'canceled', endedAt: ctx.clock.now() },
  })
  await tx.checkoutSession.updateMany({
    where: { customerId: customer.id },
    data: { status: 'closed' },
  })
  ctx.logger.warn({ ownerId: customer.ownerId }, 'customer deleted at the provider')
}
