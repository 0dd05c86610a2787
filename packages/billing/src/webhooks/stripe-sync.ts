/**
 * What Stripe's events ask for: a sync of the customer they are about, and the settling of the orders
 * they mention. Payloads are not applied, so their order, their number and their API version do not
 * matter.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { isLinked, type LinkedCustomer } from '../customers.ts'
import { BillingError } from '../errors.ts'
import { settleMentioned } from '../orders/events.ts'
import { idOf, record } from '../shapes.ts'
import { ask, isMissing } from '../stripe.ts'
import { type SyncResult, syncLinked } from '../sync.ts'
import { type Claim, finishEvents, type Outcome, payloadsOf } from './queue.ts'

export async function processStripe(ctx: BillingContext, claim: Claim): Promise<void> {
  // Before the sync, whose transaction finishes the events.
  await settleMentioned(ctx, 'stripe', await payloadsOf(ctx, claim), { isSynced: true })
  const customer = await customerOf(ctx, claim)
  if ('status' in customer) {
    await finishEvents(ctx.db, claim, customer)
    return
  }
  await syncLinked(ctx, customer, {
    mayBeDeleted: claim.events.some(({ type }) => /^customer\.[a-z]+$/.test(type)),
    also: async () => (await payloadsOf(ctx, claim)).flatMap(idsIn),
    within: async (tx, result) => {
      // Thrown here it would undo the whole write; see below.
      if (result.failedEffects.length > 0) return
      for (const { id, reason } of result.problems) {
        await finishEvents(tx, claim, { status: 'needs_attention', reason }, id)
      }
      await finishEvents(tx, claim, { status: 'processed', reason: null })
    },
  }).then(requireEffects)
}

function requireEffects({ failedEffects: [key] }: SyncResult): void {
  if (key) throw new BillingError('effect_failed', `The effect ${key} failed.`)
}

/** The objects an event names, in case they are older than what a sync loads by itself. */
const idsIn = (payload: string): string[] =>
  [...payload.matchAll(/"((?:sub|in|pi)_\w+)"/g)].flatMap(([, id]) => id ?? [])

async function customerOf(ctx: BillingContext, claim: Claim): Promise<LinkedCustomer | Outcome> {
  const attention = (reason: string): Outcome => ({ status: 'needs_attention', reason })
  const id = claim.subject ?? (await subjectOf(ctx, claim))
  if (!id) return attention('no_customer')
  const linked = await ctx.db.customer.findUnique({ where: { stripeCustomerId: id } })
  if (isLinked(linked)) return linked
  const former = await ctx.db.formerCustomer.count({ where: { stripeCustomerId: id } })
  if (former > 0) return { status: 'processed', reason: 'customer_deleted' }
  const customer = await ask('customer', ctx.stripe.customers.retrieve(id)).catch(
    (error: unknown) => {
      if (isMissing(error)) return null
      throw error
    },
  )
  if (!customer) return attention('unknown_customer')
  if (customer.deleted) return { status: 'processed', reason: 'customer_deleted' }
  return (await link(ctx, customer)) ?? attention('unknown_customer')
}

/** A customer we made and could not link yet says in its metadata whose it is. */
async function link(
  ctx: BillingContext,
  { id, metadata }: { id: string; metadata: Record<string, string> },
): Promise<LinkedCustomer | null> {
  const { ownerId, environment } = metadata
  if (!ownerId || (environment && environment !== ctx.appUrl.host)) return null
  await ctx.db.customer.updateMany({
    where: { ownerId, stripeCustomerId: null },
    data: { stripeCustomerId: id },
  })
  const row = await ctx.db.customer.findUnique({ where: { stripeCustomerId: id } })
  return isLinked(row) ? row : null
}

/** Refunds and disputes name no customer, but the payment, which does. */
async function subjectOf(ctx: BillingContext, claim: Claim): Promise<string | null> {
  const [payload] = await payloadsOf(ctx, claim)
  const object = payload ? record(record(record(JSON.parse(payload))?.data)?.object) : null
  const intent = idOf(object?.payment_intent)
  const charge = idOf(object?.charge)
  try {
    if (intent) {
      return idOf(
        (await ask('payment_intent', ctx.stripe.paymentIntents.retrieve(intent))).customer,
      )
    }
    if (charge) return idOf((await ask('charge', ctx.stripe.charges.retrieve(charge))).customer)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
  return null
}
