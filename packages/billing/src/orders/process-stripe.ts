/**
 * What Stripe's events ask for: a sync of the customer they are about, and the settling of the orders
 * they mention. Payloads are not applied, so their order, their number and their API version do not
 * matter.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { isLinked, type LinkedCustomer } from '../customers/customers.ts'
import { BillingError } from '../errors.ts'
import { ask, isMissing } from '../providers/stripe/client.ts'
import { idOf, record } from '../providers/stripe/shapes.ts'
import { isAboutCatalog, processCatalog } from '../sync/catalog-events.ts'
import { partOf } from '../sync/part.ts'
import { syncLinked } from '../sync/sync.ts'
import { eventsToHold, type HeldEvents, NONE_HELD, without } from '../webhooks/hold.ts'
import {
  emptyEvents,
  finishEvents,
  letGo,
  noteSubject,
  type Outcome,
  payloadsOf,
} from '../webhooks/queue.ts'
import type { Claim } from '../webhooks/row.ts'
import { settleMentioned } from './events.ts'

export async function processStripe(ctx: BillingContext, claim: Claim): Promise<void> {
  const payloads = payloadsOf(claim)
  if (isAboutCatalog(claim)) {
    await finishEvents(ctx.db, claim, await processCatalog(ctx, payloads))
    return
  }
  // Before the sync, whose transaction finishes the events.
  const settled = await settleMentioned(ctx, 'stripe', payloads, { isSynced: true })
  const customer = await customerOf(ctx, claim, payloads)
  if ('status' in customer) {
    const outcome = settled.length > 0 && customer.status === 'ignored' ? DONE : customer
    await finishEvents(ctx.db, claim, outcome)
    if (customer.isForgotten) await emptyEvents(ctx.db, claim)
    return
  }
  const part = partOf(payloads)
  let held: HeldEvents = NONE_HELD
  await syncLinked(ctx, customer, {
    // A settlement may have written since, by a later ticket.
    ...(settled.length === 0 ? { ticket: claim.ticket } : {}),
    mayBeDeleted: claim.events.some(({ type }) => type === 'customer.deleted'),
    also: async () => payloads.flatMap(idsIn),
    disputed: async () => payloads.flatMap(disputedIn),
    ...(part ? { part } : {}),
    within: async (tx, result) => {
      // An effect whose handler threw keeps one event that tries again, and no other one.
      held = await eventsToHold(tx, claim, result.failedEffects)
      const others = without(claim, [...held.due, ...held.waiting])
      for (const { id, reason } of result.problems) {
        await finishEvents(tx, others, { status: 'needs_attention', reason }, id)
      }
      await finishEvents(tx, others, DONE)
      if (claim.subject === null) await noteSubject(tx, claim, customer.stripeCustomerId)
      if (result.isForgotten) await emptyEvents(tx, others)
    },
  })
  if (held.due.length > 0) {
    throw new BillingError('effect_failed', `The effect ${held.effects.join(', ')} failed.`)
  }
  if (held.waiting.length > 0) await letGo(ctx, claim)
}

const DONE: Outcome = { status: 'processed', reason: null }

/** The payment of a dispute that an event tells of: its charge may not say yet that it is disputed. */
function disputedIn(payload: string): string[] {
  const object = record(record(record(JSON.parse(payload))?.data)?.object)
  const payment = object?.object === 'dispute' ? idOf(object.payment_intent) : null
  return payment === null ? [] : [payment]
}

/** How events without a customer that can be synced end. */
interface Ended extends Outcome {
  /** They name an owner who was forgotten. */
  isForgotten?: boolean
}

/** The objects an event names, in case they are older than what a sync loads by itself. */
const idsIn = (payload: string): string[] =>
  [...payload.matchAll(/"((?:sub|in|pi)_\w+)"/g)].flatMap(([, id]) => id ?? [])

/**
 * The customer that the events are about, or how they end. Stripe tells an account's events to all that listen to
 * it, so an event of a customer that we do not know belongs to another product on the account: it is kept and
 * counted, and no person has to look at it.
 */
async function customerOf(
  ctx: BillingContext,
  claim: Claim,
  payloads: readonly string[],
): Promise<LinkedCustomer | Ended> {
  const stranger = (reason: string): Ended => ({ status: 'ignored', reason })
  const id = claim.subject ?? (await subjectOf(ctx, payloads))
  if (!id) return stranger('no_customer')
  const linked = await ctx.db.customer.findUnique({ where: { stripeCustomerId: id } })
  if (isLinked(linked)) return linked
  const former = await ctx.db.formerCustomer.findUnique({
    where: { stripeCustomerId: id },
    select: { customer: { select: { forgottenAt: true } } },
  })
  if (former) {
    const isForgotten = former.customer.forgottenAt !== null
    return { status: 'processed', reason: 'customer_deleted', isForgotten }
  }
  if (isStranger(ctx, id)) return stranger('unknown_customer')
  const customer = await ask('customer', ctx.stripe.customers.retrieve(id)).catch(
    (error: unknown) => {
      if (isMissing(error)) return null
      throw error
    },
  )
  if (customer?.deleted) return { status: 'processed', reason: 'customer_deleted' }
  const ours = customer && (await link(ctx, customer))
  if (ours) return ours
  noteStranger(ctx, id)
  return stranger('unknown_customer')
}

const STRANGER_MS = 10 * 60_000
const MOST_STRANGERS = 10_000
const strangers = new WeakMap<BillingContext, Map<string, number>>()

/** Whether Stripe was asked about the customer a moment ago. A customer that is linked meanwhile is found before. */
const isStranger = (ctx: BillingContext, id: string): boolean =>
  (strangers.get(ctx)?.get(id) ?? 0) > Date.now()

function noteStranger(ctx: BillingContext, id: string): void {
  const known = strangers.get(ctx) ?? new Map<string, number>()
  if (known.size >= MOST_STRANGERS) known.clear()
  strangers.set(ctx, known.set(id, Date.now() + STRANGER_MS))
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
async function subjectOf(
  ctx: BillingContext,
  [payload]: readonly string[],
): Promise<string | null> {
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
