/**
 * Processes Stripe's events: settles the orders they mention and syncs the customer they are about. Payloads
 * are never written, so their order, number and API version do not matter.
 *
 * @module
 */

import { type Customer, columnsOf, type Db, Prisma, queryNamed } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { isLinked, type LinkedCustomer } from '../customers/customers.ts'
import { BillingError } from '../errors.ts'
import { idOf, record } from '../providers/json.ts'
import { idWith } from '../providers/object-id.ts'
import { ask, isMissing } from '../providers/stripe/client.ts'
import { isAboutCatalog, processCatalog } from '../sync/catalog-events.ts'
import { partOf } from '../sync/part.ts'
import { syncLinked } from '../sync/sync.ts'
import {
  eventsToHold,
  type HeldEvents,
  NONE_HELD,
  throughDeletion,
  without,
} from '../webhooks/hold.ts'
import {
  bodiesOf,
  emptyEvents,
  finishEvents,
  letGo,
  noteSubject,
  type Outcome,
} from '../webhooks/queue.ts'
import type { Claim } from '../webhooks/row.ts'
import { mentionedIn, settleMentioned, stringsIn } from './events.ts'
import type { SettleOptions } from './settle.ts'

/**
 * Processes the claimed events of one customer, or of the catalogue. @throws `effect_failed`, and as
 * `syncCustomer`.
 */
export async function processStripe(ctx: BillingContext, claim: Claim): Promise<void> {
  const bodies = bodiesOf(claim)
  if (isAboutCatalog(claim)) {
    await finishEvents(ctx.db, claim, await processCatalog(ctx, bodies))
    return
  }
  // The orders are looked up after the load, because another claim may write the order of a renewal meanwhile.
  const settle = async (from?: SettleOptions['from']) => {
    const mentioned = await mentionedIn(ctx, 'stripe', bodies)
    await settleMentioned(ctx, 'stripe', mentioned, { isSynced: true, ...(from && { from }) })
    return mentioned.orders.length > 0
  }
  const found = await customerOf(ctx, claim, bodies)
  if ('status' in found) {
    const isSettled = await settle()
    const outcome = isSettled && found.status === 'ignored' ? DONE : found
    await finishEvents(ctx.db, claim, outcome)
    if (found.isForgotten) await emptyEvents(ctx.db, claim)
    return
  }
  const { customer, isNew } = found
  const part = partOf(bodies)
  let held: HeldEvents = NONE_HELD
  await syncLinked(ctx, customer, {
    ticket: claim.ticket,
    // Orders come before the write, because its transaction finishes the events.
    async loaded(from) {
      await settle(from)
    },
    mayBeDeleted: claim.events.some(({ type }) => type === 'customer.deleted'),
    // The event about its deletion may have been processed before the link was written.
    asksDeleted: isNew,
    also: async () => bodies.flatMap(idsIn),
    disputed: async () => bodies.flatMap(disputedIn),
    ...(part && !isNew ? { part } : {}),
    within: async (tx, result) => {
      // One event stays pending to retry an effect whose handler threw. All other events are
      // finished.
      held = await eventsToHold(tx, claim, result.failedEffects)
      // A deleted customer stays linked for the retry, which has to hear of the deletion, too.
      if (result.deleted) held = throughDeletion(claim, held)
      result.keepsLink = held.due.length + held.waiting.length > 0
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
    throw new BillingError(
      'effect_failed',
      `Handlers of the effects ${held.effects.join(', ')} threw. They are tried again.`,
    )
  }
  if (held.waiting.length > 0) await letGo(ctx, claim)
}

const DONE: Outcome = { status: 'processed', reason: null }

/** The payment of the dispute in an event. The charge may not yet show that it is disputed. */
function disputedIn(body: unknown): string[] {
  const object = objectOf(body)
  const payment = object?.object === 'dispute' ? idOf(object.payment_intent) : null
  return payment === null ? [] : [payment]
}

/** How events end that have no customer to sync. */
interface Ended extends Outcome {
  /** True: the events belong to a forgotten owner, so their payloads are removed. */
  isForgotten?: boolean
}

/** Ids of the objects in an event, which may be older than those a sync loads by default. */
const idsIn = (body: unknown): string[] => stringsIn(body).filter(isLoaded)

/** Recognizes ids of objects that a sync loads. */
const isLoaded = idWith('sub', 'in', 'pi')

/** The object that an event is about. */
const objectOf = (body: unknown) => record(record(record(body)?.data)?.object)

/**
 * The customer of the events, or how the events end without one. Stripe sends an account's events to every
 * listener, so an event of an unknown customer belongs to another product on the account. Such an event is
 * ignored: it is stored, and nobody has to look at it.
 */
async function customerOf(
  ctx: BillingContext,
  claim: Claim,
  bodies: readonly unknown[],
): Promise<{ customer: LinkedCustomer; isNew: boolean } | Ended> {
  const stranger = (reason: string): Ended => ({ status: 'ignored', reason })
  const id = claim.subject ?? (await subjectOf(ctx, bodies))
  if (!id) return stranger('no_customer')
  const linked = await customerAtStripe(ctx.db, id)
  if (isLinked(linked)) return { customer: linked, isNew: false }
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
  if (ours) return { customer: ours, isNew: true }
  noteStranger(ctx, id)
  return stranger('unknown_customer')
}

const CUSTOMER = columnsOf(Object.keys(Prisma.CustomerScalarFieldEnum))

/** Our row of a customer at Stripe; null where there is none. */
async function customerAtStripe(db: Db, id: string): Promise<Customer | null> {
  const sql = Prisma.sql`
    SELECT ${CUSTOMER} FROM "Customer" WHERE "stripeCustomerId" = ${id}`
  const [row] = await queryNamed<Customer>(db, 'customer_at_stripe', sql)
  return row ?? null
}

/** How long an unknown customer is remembered, and how many. */
const STRANGER_MS = 10 * 60_000
const MOST_STRANGERS = 10_000
const strangers = new WeakMap<BillingContext, Map<string, number>>()

/**
 * Whether Stripe was asked about this unknown customer in the last ten minutes. A customer that was linked
 * since is found in our rows before.
 */
const isStranger = (ctx: BillingContext, id: string): boolean =>
  (strangers.get(ctx)?.get(id) ?? 0) > Date.now()

function noteStranger(ctx: BillingContext, id: string): void {
  const known = strangers.get(ctx) ?? new Map<string, number>()
  if (known.size >= MOST_STRANGERS) known.clear()
  strangers.set(ctx, known.set(id, Date.now() + STRANGER_MS))
}

/** Links a customer that we created without writing its id: its metadata names the owner. */
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

/** The customer of a refund or dispute. These events name a payment, and the payment names the customer. */
async function subjectOf(ctx: BillingContext, [body]: readonly unknown[]): Promise<string | null> {
  const object = objectOf(body)
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
