/**
 * Compares the payments of a window with the orders, page by page, and settles orders that differ. Promise:
 * no page is compared twice, and a payment that cannot be retrieved is reported without stopping the others.
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

/** Totals of one day, provider and currency. */
export interface PlaceDay extends Totals {
  [key: string]: string | number
  day: string
  provider: string
  currency: string
}

/** How far a comparison has come and what it has found. Saved between runs. */
export type Place = {
  /** The beginning of the window, ISO 8601. */
  since: string
  /** Names of the providers whose payments are all compared. */
  done: string[]
  /**
   * `listed`: compares the payments that the provider lists. `orders`: compares the payments of older orders,
   * which the list does not contain.
   */
  phase: 'listed' | 'orders'
  /** The provider's cursor in phase `listed`; time and id of the last order in phase `orders`. */
  after: string
  payments: number
  withoutOrder: number
  differing: string[]
  mended: string[]
  skipped: string[]
  /** Ids of payments that were already compared in phase `listed` and whose orders appear again in phase `orders`. */
  seen: string[]
  failed: { provider: string; paymentId: string; reason: string }[]
  days: PlaceDay[]
}

/** The place of a comparison that has not begun. */
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

/** Orders of one page. */
const PAGE = 50
const DAY_MS = 24 * 60 * 60_000

/** After this many failures in a row the provider is taken as unavailable, and the comparison stops. */
const AWAY = 5

interface Comparing {
  ctx: BillingContext
  run: Run<Place>
  place: Place
  options: ReconcileOrdersOptions
}

/** Compares all providers, and updates `place` on the way. False: the run was stopped. */
export async function comparePages(
  ctx: BillingContext,
  run: Run<Place>,
  place: Place,
  options: ReconcileOrdersOptions,
): Promise<boolean> {
  const since = new Date(place.since)
  // Steps from provider to provider through the index. DISTINCT would read all orders.
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

/** The list begins a day before the window, because a payment may be created before it is paid. */
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

/** For a provider without `listPayments`: compares the payments that its events name. */
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
  // Payments of known orders are compared in phase `orders`.
  for (const { paymentId } of known) ids.delete(paymentId ?? '')
  return askAbout(comparing, name, provider, [...ids])
}

async function compareOrders(
  comparing: Comparing,
  name: string,
  provider: PaymentProvider,
): Promise<boolean> {
  const { ctx, run, place } = comparing
  // Payments of newer orders were in the list.
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

/**
 * Retrieves the payments one by one and compares them. A payment that fails is tried once more at the end of
 * the page.
 */
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
          ctx.logger.error(
            { ...ids, code: reason, error },
            'could not compare a payment with its order',
          )
        }
      }
    }
  }
  await compare(comparing, name, found)
  return true
}

/** Null: the provider has no such payment, or only another process knows it; then its orders are skipped. */
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

/** Compares payments with their orders, and settles orders that differ or are missing. */
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
    // The invoice was paid outside the provider, so this payment took no money and needs no order.
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
  // Payments without an order were sold outside this app. They are counted in `withoutOrder` only.
  for (const each of theirs) if (each.orderId) addTo(place.days, each)
}

/** The listed payments whose order is older than the list, so that phase `orders` meets them again. */
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
