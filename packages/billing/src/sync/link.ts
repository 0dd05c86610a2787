/**
 * Links customers that exist at Stripe already to their owners, and restores customers that were ended here
 * by mistake.
 *
 * @module
 */

import { atomically, type Subscription } from '@repo/db'
import { isEndedStatus } from '../catalog/status.ts'
import type { BillingContext, Owner } from '../context.ts'
import { requireAccount } from '../customers/account.ts'
import { isLinked, type LinkedCustomer, tellStripe } from '../customers/customers.ts'
import { takeEffects } from '../effects/take-effects.ts'
import { BillingError } from '../errors.ts'
import { ask, isMissing } from '../providers/stripe/client.ts'
import type { SyncResult } from './options.ts'
import { syncLinked } from './sync.ts'

/**
 * Links a customer at Stripe to the owner, and writes its subscriptions, invoices and payments.
 * The contract is in `functions/customers.ts`.
 */
export async function linkCustomer(
  ctx: BillingContext,
  ownerId: string,
  stripeCustomerId: string,
): Promise<SyncResult> {
  await requireAccount(ctx)
  const owner = await ctx.owner(ownerId)
  if (!owner) throw new BillingError('owner_not_found', `There is no owner ${ownerId}.`)
  const found = await retrieve(ctx, stripeCustomerId)
  if (found === null) {
    throw new BillingError('customer_not_found', `Stripe has no customer ${stripeCustomerId}.`)
  }
  const { ownerId: claimed, environment } = found.metadata
  const isOther = claimed !== undefined && claimed !== ownerId
  if (isOther && (environment === undefined || environment === ctx.appUrl.host)) {
    const message = `The metadata of Stripe's customer ${stripeCustomerId} names another owner, ${claimed}.`
    throw new BillingError('customer_taken', message)
  }
  const customer = await claimCustomer(ctx, ownerId, owner, stripeCustomerId)
  await tellStripe(ctx, customer, owner)
  return syncLinked(ctx, customer, { depth: 'full', silent: true })
}

/**
 * Gives the owner's row the customer at Stripe, and creates the row if it is missing. A repeated call changes nothing.
 *
 * @throws `customer_taken` where the owner has another customer, or the customer another owner.
 */
export async function claimCustomer(
  ctx: BillingContext,
  ownerId: string,
  owner: Pick<Owner, 'type'>,
  stripeCustomerId: string,
): Promise<LinkedCustomer> {
  await ctx.db.customer.createMany({
    data: [{ ownerId, ownerType: owner.type }],
    skipDuplicates: true,
  })
  await ctx.db.$executeRaw`
    UPDATE "Customer" SET "stripeCustomerId" = ${stripeCustomerId}, "updatedAt" = clock_timestamp()
    WHERE "ownerId" = ${ownerId} AND "stripeCustomerId" IS NULL
      AND NOT EXISTS (SELECT FROM "Customer" WHERE "stripeCustomerId" = ${stripeCustomerId})`
  const customer = await ctx.db.customer.findUniqueOrThrow({ where: { ownerId } })
  if (!isLinked(customer) || customer.stripeCustomerId !== stripeCustomerId) {
    const message = customer.stripeCustomerId
      ? `The owner ${ownerId} already has another customer at Stripe, ${customer.stripeCustomerId}.`
      : `Stripe's customer ${stripeCustomerId} is already linked to another owner.`
    throw new BillingError('customer_taken', message)
  }
  return customer
}

/** Keeps the address that Stripe has for a newly linked customer, if it differs from the owner's. */
export async function keepAddress(
  { db }: BillingContext,
  { id, syncedAt, billingEmail }: LinkedCustomer,
  owner: Owner,
  email: string | null,
): Promise<void> {
  const isOwners = email === null || email.toLowerCase() === owner.email.toLowerCase()
  if (isOwners || syncedAt !== null || billingEmail !== null) return
  await db.customer.update({ where: { id }, data: { billingEmail: email } })
}

/** The customer at Stripe. Null: Stripe does not know the customer, or has deleted it. */
async function retrieve(ctx: BillingContext, id: string) {
  try {
    const customer = await ask('customer', ctx.stripe.customers.retrieve(id))
    return customer.deleted ? null : customer
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

/** The result of `restoreCustomer`. */
export interface RestoredCustomer {
  stripeCustomerId: string
  /** Stripe's ids of the subscriptions that run again. */
  subscriptions: string[]
}

/**
 * Restores a customer that was taken for deleted here although Stripe still has it, together with its running
 * subscriptions.
 * The contract is in `functions/customers.ts`.
 */
export async function restoreCustomer(
  ctx: BillingContext,
  ownerId: string,
): Promise<RestoredCustomer> {
  await requireAccount(ctx)
  const customer = await ctx.db.customer.findUnique({ where: { ownerId } })
  const id = customer && (await lastKnown(ctx, customer))
  if (!customer || !id) {
    throw new BillingError(
      'customer_not_found',
      `Stripe has no customer of the owner ${ownerId} to restore.`,
    )
  }
  if (customer.stripeCustomerId !== null && customer.stripeCustomerId !== id) {
    const runs = await ctx.db.subscription.count({
      where: { customerId: customer.id, provider: 'stripe', status: { in: [...RUNS] } },
    })
    if (runs > 0) {
      const { stripeCustomerId: newer } = customer
      const message = `The owner ${ownerId} has a running subscription with a newer customer, ${newer}.`
      throw new BillingError('customer_taken', message)
    }
  }
  await ctx.db.$transaction([
    ctx.db.formerCustomer.deleteMany({ where: { stripeCustomerId: id } }),
    ctx.db.customer.update({
      where: { id: customer.id },
      data: {
        stripeCustomerId: id,
        unlinkedAt: null,
        formerStripeIds: customer.formerStripeIds.filter((each) => each !== id),
      },
    }),
  ])
  const linked = { ...customer, stripeCustomerId: id } as LinkedCustomer
  const subscriptions = await reviveSubscriptions(ctx, linked)
  await syncLinked(ctx, linked, { depth: 'full' })
  ctx.logger.warn({ ownerId, subscriptions }, 'customer restored')
  return { stripeCustomerId: id, subscriptions }
}

const RUNS = ['trialing', 'active', 'past_due', 'unpaid', 'paused'] as const

/** The newest of the owner's customers that Stripe has. */
async function lastKnown(
  ctx: BillingContext,
  {
    formerStripeIds,
    stripeCustomerId,
  }: { formerStripeIds: string[]; stripeCustomerId: string | null },
): Promise<string | null> {
  for (const id of [...formerStripeIds].reverse()) if (await retrieve(ctx, id)) return id
  return stripeCustomerId && (await retrieve(ctx, stripeCustomerId)) ? stripeCustomerId : null
}

async function reviveSubscriptions(
  ctx: BillingContext,
  customer: LinkedCustomer,
): Promise<string[]> {
  const rows = await ctx.db.subscription.findMany({
    where: { customerId: customer.id, provider: 'stripe', stripeSubscriptionId: { not: null } },
  })
  const revived: string[] = []
  for (const row of rows.filter(({ status }) => isEndedStatus(status))) {
    const id = row.stripeSubscriptionId as string
    const request = ctx.stripe.subscriptions.retrieve(id)
    const found = await ask('subscription', request).catch((error: unknown) => {
      if (isMissing(error)) return null
      throw error
    })
    if (!found || isEndedStatus(found.status)) continue
    await revive(ctx, customer, row, found.status)
    revived.push(id)
  }
  return revived
}

/** Lets an ended row run again and sets off `subscription.activated`. Its next end is a new fact. */
async function revive(
  ctx: BillingContext,
  customer: LinkedCustomer,
  { id, stripeSubscriptionId }: Subscription,
  status: string,
): Promise<void> {
  const key = `subscription:${stripeSubscriptionId}`
  await atomically(ctx.db, async (tx) => {
    await tx.$executeRaw`SELECT set_config('tollgate.restores', ${id}, true)`
    await tx.subscription.update({
      where: { id },
      data: { status, endedAt: null, needsAttention: 'second_current_subscription' },
    })
    await tx.$executeRaw`SELECT set_config('tollgate.restores', '', true)`
    const { count } = await tx.effect.deleteMany({ where: { key: `${key}:ended` } })
    if (count === 0 || (status !== 'active' && status !== 'trialing')) return
    const payload = { provider: 'stripe', subscriptionId: id, stripeSubscriptionId } as const
    await takeEffects(ctx, tx, customer, [
      { key: `${key}:activated:${Date.now()}`, name: 'subscription.activated', payload },
    ])
  })
}
