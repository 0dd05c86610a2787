/**
 * The payments of a window, page by page: what the provider says of each is held against the orders, and what differs
 * is settled once more. Promise: a page that was compared is not compared again, a payment that cannot be asked about
 * holds up no other one, and it is reported.
 *
 * @module
 */

import { isTollgateError } from '@repo/core'
import { isConnectionLost } from '../connection-lost.ts'
import type { BillingContext } from '../context.ts'
import { isBillingError } from '../errors.ts'
import type { PaymentProvider, ProviderPayment } from '../providers/provider.ts'
import type { Run } from '../sync/repair-run.ts'
import { bookMissing } from './missing.ts'
import { differing, mend, theirsOf } from './their-payments.ts'
import type { ReconcileOrdersOptions, Theirs, Totals } from './totals.ts'

/** Of one day, provider and currency. */
export interface PlaceDay extends Totals {
  [key: string]: string | number
  day: string
  provider: string
  currency: string
}

/** How far a comparison has come, and what it has found. */
export type Place = {
  /** ISO 8601. */
  since: string
  /** Providers that are done. */
  done: string[]
  /** `listed`: payments that the provider lists. `orders`: those of orders that it does not. */
  phase: 'listed' | 'orders'
  /** The last payment, or the last order, that was compared. */
  after: string
  payments: number
  withoutOrder: number
  differing: string[]
  mended: string[]
  skipped: string[]
  /** Payments that were compared as listed, and whose orders come again among the orders. */
  seen: string[]
  failed: { provider: string; paymentId: string; reason: string }[]
  days: PlaceDay[]
}

export const beginning = (since: Date): Place => ({
  ...{ since: since.toISOString(), done: [], phase: 'listed', after: '' },
  ...{
    payments: 0,
    withoutOrder: 0,
    differing: [],
    mended: [],
    skipped: [],
    seen: [],
    failed: [],
    days: [],
  },
})

const PAGE = 50
const DAY_MS = 24 * 60 * 60_000

/** So many in a row that cannot be asked about are not about themselves: the provider is away. */
const AWAY = 5

interface Comparing {
  ctx: BillingContext
  run: Run<Place>
  place: Place
  options: ReconcileOrdersOptions
}

/** Changes `place` as it goes. False: stopped. */
export async function comparePages(
  ctx: BillingContext,
  run: Run<Place>,
  place: Place,
  options: ReconcileOrdersOptions,
): Promise<boolean> {
  const since = new Date(place.since)
  // From one provider to the next by the index: all of the orders would be read for DISTINCT.
  const rows = await ctx.db.$queryRaw<{ provider: string }[]>`
    WITH RECURSIVE "known" AS (
      SELECT min("provider") AS "provider" FROM "Order" WHERE "paymentId" IS NOT NULL
      UNION ALL
      SELECT (SELECT min("provider") FROM "Order" o WHERE o."paymentId" IS NOT NULL AND o."provider" > k."provider")
      FROM "known" k WHERE k."provider" IS NOT NULL)
    SELECT k."provider" FROM "known" k WHERE EXISTS (
      SELECT FROM "Order" o WHERE o."provider" = k."provider" AND o."paymentId" IS NOT NULL
        AND greatest(o."paidAt", o."completedAt") >= ${since})
    ORDER BY 1`
  const names = new Set([ctx.provider.name as string, ...rows.map(({ provider }) => provider)])
  for (const name of names) {
    if (place.done.includes(name)) continue
    const comparing = { ctx, run, place, options }
    const provider = ctx.providerNamed(name)
    if (place.phase === 'listed') {
      if (!(await compareListed(comparing, name, provider))) return false
      Object.assign(place, { phase: 'orders', after: '' })
    }
    if (!(await compareOrders(comparing, name, provider))) return false
    Object.assign(place, { phase: 'listed', after: '', done: [...place.done, name] })
  }
  return true
}

/** A payment may be made a little before it is paid. */
const listedSince = ({ since }: Place): Date => new Date(new Date(since).getTime() - DAY_MS)

async function compareListed(
  comparing: Comparing,
  name: string,
  provider: PaymentProvider,
): Promise<boolean> {
  const { run, place } = comparing
  if (provider.listPayments === undefined) return compareHinted(comparing, name, provider)
  for (;;) {
    if (run.isOver()) return false
    const { payments, last } = await provider.listPayments(listedSince(place), place.after || null)
    await compare(comparing, name, payments)
    if (last === null) return true
    place.after = last
    if (!(await run.save(place))) return false
  }
}

/** Of a provider without a list of payments: those that it tells of by itself. */
async function compareHinted(
  comparing: Comparing,
  name: string,
  provider: PaymentProvider,
): Promise<boolean> {
  const nothing = { checkoutIds: [], paymentIds: [], subscriptionIds: [] }
  const ids = new Set<string>()
  for await (const { paymentId } of provider.pull(new Date(comparing.place.since), nothing)) {
    if (comparing.run.isOver()) return false
    if (paymentId) ids.add(paymentId)
  }
  const known = await comparing.ctx.db.order.findMany({
    where: { provider: name, paymentId: { in: [...ids] } },
    select: { paymentId: true },
  })
  // Those of orders are asked about with the orders.
  for (const { paymentId } of known) ids.delete(paymentId ?? '')
  return askAbout(comparing, name, provider, [...ids])
}

async function compareOrders(
  comparing: Comparing,
  name: string,
  provider: PaymentProvider,
): Promise<boolean> {
  const { ctx, run, place } = comparing
  // Those made later have been listed.
  const before = provider.listPayments ? listedSince(place) : null
  for (;;) {
    const orders = await ordersAfter(ctx, name, place, before)
    const ids = orders.map(({ paymentId }) => paymentId).filter((id) => !place.seen.includes(id))
    if (!(await askAbout(comparing, name, provider, ids))) return false
    const last = orders.at(-1)
    if (!last) return true
    place.after = `${last.at.toISOString()} ${last.id}`
    if (!(await run.save(place))) return false
  }
}

/** The next orders of the window, in the order in which they were paid or completed. */
async function ordersAfter(
  ctx: BillingContext,
  name: string,
  { since, after }: Place,
  before: Date | null,
): Promise<{ id: string; paymentId: string; at: Date }[]> {
  const [at = '', id] = after.split(' ')
  const from = id === undefined ? { at: since, id: '' } : { at, id }
  return ctx.db.$queryRaw`
    SELECT "id", "paymentId", greatest("paidAt", "completedAt") AS "at" FROM "Order"
    WHERE "provider" = ${name} AND "paymentId" IS NOT NULL
      AND (greatest("paidAt", "completedAt"), "id") > (${from.at}::timestamptz, ${from.id})
      AND (${before}::timestamptz IS NULL OR "createdAt" < ${before})
    ORDER BY greatest("paidAt", "completedAt"), "id" LIMIT ${PAGE}`
}

/** Asks about payments one by one. Those that fail are asked about once more, at the end of the page. */
async function askAbout(
  comparing: Comparing,
  name: string,
  provider: PaymentProvider,
  ids: readonly string[],
): Promise<boolean> {
  const { ctx, run, place } = comparing
  const found: ProviderPayment[] = []
  let inARow = 0
  let again: string[] = []
  for (const isLast of [false, true]) {
    for (const paymentId of isLast ? again.splice(0) : ids) {
      if (run.isOver()) return false
      try {
        const payment = await retrieve(comparing, name, provider, paymentId)
        if (payment) found.push(payment)
        inARow = 0
      } catch (error) {
        inARow += 1
        if (isConnectionLost(error) || inARow >= AWAY) throw error
        if (!isLast) again = [...again, paymentId]
        else {
          const reason = isTollgateError(error) ? error.code : 'internal_error'
          place.failed.push({ provider: name, paymentId, reason })
          const ids = { provider: name, paymentId }
          ctx.logger.error({ ...ids, code: reason, error }, 'payment could not be reconciled')
        }
      }
    }
  }
  await compare(comparing, name, found)
  return true
}

/** Null: the provider has none. */
async function retrieve(
  { ctx, place }: Comparing,
  name: string,
  provider: PaymentProvider,
  paymentId: string,
): Promise<ProviderPayment | null> {
  try {
    return await provider.retrievePayment(paymentId)
  } catch (error) {
    if (isBillingError(error, 'payment_not_found')) return null
    if (!isBillingError(error, 'not_known_here')) throw error
    const where = { provider: name, paymentId }
    const orders = await ctx.db.order.findMany({ where, select: { id: true } })
    place.skipped.push(...orders.map(({ id }) => id))
    return null
  }
}

/** Holds payments against their orders, and mends what differs. */
async function compare(
  { ctx, place, options }: Comparing,
  name: string,
  payments: readonly ProviderPayment[],
): Promise<void> {
  const since = new Date(place.since)
  const found: Theirs[] = []
  for (const payment of payments) {
    if (payment.status !== 'succeeded' || (payment.paidAt && payment.paidAt < since)) continue
    const each = await theirsOf(ctx, name, payment)
    // Its invoice was paid past the provider: it took nothing, and needs no order.
    if (each.paid === 0 && each.orderId === null) continue
    found.push(each)
    options.onProgress?.(place.payments + found.length)
  }
  const theirs = await bookMissing(ctx, found, options)
  const booked = theirs.filter(({ orderId }, at) => orderId !== found[at]?.orderId)
  const skipped = new Set(place.skipped)
  const wrong = await differing(ctx, theirs)
  for (const id of wrong) await mend(ctx, id, options, skipped)
  const still = wrong.length > 0 ? await differing(ctx, theirs) : []
  const suspects = [...wrong, ...booked.flatMap(({ orderId }) => orderId ?? [])]
  place.payments += theirs.length
  place.withoutOrder += theirs.filter(({ orderId }) => orderId === null).length
  place.skipped = [...skipped]
  if (place.phase === 'listed') place.seen.push(...(await comingAgain(ctx, name, place, theirs)))
  place.differing.push(...still)
  place.mended.push(...suspects.filter((id) => !still.includes(id)))
  // What was sold past us is no order's; it is counted apart.
  for (const each of theirs) if (each.orderId) addTo(place.days, each)
}

/** Of payments that were listed, those whose order is older than the list. */
async function comingAgain(
  ctx: BillingContext,
  name: string,
  place: Place,
  theirs: readonly Theirs[],
): Promise<string[]> {
  const isListed = ctx.providerNamed(name).listPayments !== undefined
  const orders = await ctx.db.order.findMany({
    where: {
      id: { in: theirs.flatMap(({ orderId }) => orderId ?? []) },
      ...(isListed ? { createdAt: { lt: listedSince(place) } } : {}),
    },
    select: { id: true },
  })
  const ids = new Set(orders.map(({ id }) => id))
  return theirs.flatMap(({ orderId, paymentId }) => (ids.has(orderId ?? '') ? paymentId : []))
}

function addTo(
  days: PlaceDay[],
  { day, provider, currency, payments, paid, refunded }: Theirs,
): void {
  const same = days.find(
    (each) => each.day === day && each.provider === provider && each.currency === currency,
  )
  if (same) {
    same.payments += payments
    same.paid += paid
    same.refunded += refunded
  } else days.push({ day, provider, currency, payments, paid, refunded })
}
