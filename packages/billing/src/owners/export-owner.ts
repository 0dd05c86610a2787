/**
 * Exports everything that billing holds about an owner, for people who ask for their data. Every list is read in
 * pages, so that the database answers no statement with the rows of years.
 *
 * @module
 */

import { Prisma } from '@repo/db'
import { mentionsOf } from '../bookings/mentions.ts' // #calcom
import type { BillingContext } from '../context.ts'
import { loggedType } from '../credits/logged-type.ts'

/** How many rows a statement reads. */
const PAGE = 1_000

/**
 * The owner's data as JSON values; null where billing holds nothing.
 * The contract is in `functions/customers.ts`.
 */
export const exportOwner = (
  ctx: BillingContext,
  ownerId: string,
): Promise<Record<string, unknown> | null> => exportInPages(ctx, ownerId, PAGE)

/** The same with pages of another size. */
export async function exportInPages(
  ctx: BillingContext,
  ownerId: string,
  page: number,
): Promise<Record<string, unknown> | null> {
  const { db } = ctx
  const customer = await db.customer.findUnique({
    where: { ownerId },
    omit: { syncedTicket: true, partTicket: true },
  })
  const accounts = await db.creditAccount.findMany({ where: { ownerId } })
  if (!customer && accounts.length === 0) return null
  const lists = customer && (await listsOf(ctx, customer.id, page))
  const credits: unknown[] = []
  for (const account of accounts) {
    const of = { ownerId, creditType: account.creditType }
    const holds = await inPages(page, String, (take, last?: { id: bigint }) =>
      db.creditHold.findMany({ where: { ...of, ...afterId(last) }, ...byId, take }),
    )
    const transactions = await inPages(page, String, async (take, last?: { id: bigint }) => {
      const where = { ...of, ...afterId(last) }
      const rows = await db.creditTransaction.findMany({ where, ...byId, take })
      return rows.map((row) => ({ ...row, type: loggedType(row) }))
    })
    // Amounts and ids of the ledger may be larger than a number can hold, so they are strings.
    credits.push({ ...(asJson(account, String) as object), holds, transactions })
  }
  return {
    exportedAt: new Date().toJSON(),
    customer: customer && { ...(asJson(customer, Number) as object), ...lists?.own },
    ...(customer && lists ? await aboutCustomer(ctx, { ...customer, ...lists }, page) : NOTHING),
    credits,
  }
}

const NOTHING = { effects: [], trials: [], events: [] }

const byId = { orderBy: { id: 'asc' } } as const

const afterId = <Id>(last: { id: Id } | undefined) => (last ? { id: { gt: last.id } } : {})

/** The rows that belong to the customer, and the ids under which other tables name the customer. */
async function listsOf({ db }: BillingContext, customerId: string, page: number) {
  const subscriptionIds: string[] = []
  const providerCustomerIds = new Set<string>()
  type Last = { id: string } | undefined
  const next = (take: number, last: Last) => ({
    where: { customerId, ...afterId(last) },
    ...byId,
    take,
  })
  const own = {
    subscriptions: await inPages(page, Number, async (take, last: Last) => {
      const include = { price: { include: { product: true } } }
      const rows = await db.subscription.findMany({ ...next(take, last), include })
      subscriptionIds.push(...rows.flatMap((row) => row.stripeSubscriptionId ?? []))
      return rows
    }),
    invoices: await inPages(page, Number, (take, last: Last) =>
      db.invoice.findMany(next(take, last)),
    ),
    payments: await inPages(page, Number, (take, last: Last) =>
      db.payment.findMany(next(take, last)),
    ),
    refunds: await inPages(page, Number, (take, last: Last) =>
      db.refund.findMany(next(take, last)),
    ),
    // #region calcom
    bookings: await inPages(page, Number, (take, last: Last) =>
      db.booking.findMany(next(take, last)),
    ),
    // #endregion
    checkoutSessions: await inPages(page, Number, (take, last: Last) =>
      db.checkoutSession.findMany(next(take, last)),
    ),
    orders: await inPages(page, Number, async (take, last: Last) => {
      const omit = { returnKey: true, settledTicket: true } as const
      const rows = await db.order.findMany({ ...next(take, last), omit })
      for (const { providerCustomerId: id } of rows) if (id !== null) providerCustomerIds.add(id)
      return rows
    }),
  }
  return { own, subscriptionIds, providerCustomerIds }
}

/** The customer, with the ids under which other tables name it. */
interface Named {
  id: string
  stripeCustomerId: string | null
  formerStripeIds: string[]
  subscriptionIds: string[]
  providerCustomerIds: Set<string>
}

/** The rows about the customer in tables without a relation to it. */
async function aboutCustomer(ctx: BillingContext, customer: Named, page: number) {
  const { db } = ctx
  const { id: customerId, stripeCustomerId, formerStripeIds, subscriptionIds } = customer
  const subjects = [
    ...(stripeCustomerId ? [stripeCustomerId] : []),
    ...formerStripeIds,
    ...customer.providerCustomerIds,
  ]
  const bookings = await mentionsOf(ctx, customerId) // #calcom
  const effects = await inPages(page, String, (take, last?: { key: string }) =>
    db.effect.findMany({
      where: { customerId },
      orderBy: [{ createdAt: 'asc' }, { key: 'asc' }],
      take,
      ...(last && { cursor: { key: last.key }, skip: 1 }),
    }),
  )
  const trials = await inPages(page, String, (take, last?: { key: string }) =>
    db.trialRedemption.findMany({
      where: {
        stripeSubscriptionId: { in: subscriptionIds },
        ...(last ? { key: { gt: last.key } } : {}),
      },
      orderBy: { key: 'asc' },
      take,
    }),
  )
  const own = Prisma.sql`"subject" = ANY(${subjects}) AND ("status" = 'pending' OR "payload" IS NOT NULL)`
  const events = await eventsIn(ctx, own, page)
  // #region calcom
  const calls = Prisma.sql`"provider" = 'calcom' AND "payload" LIKE ANY(${bookings})`
  events.push(...(await eventsIn(ctx, calls, page)))
  // #endregion
  return { effects, trials, events }
}

interface EventRow {
  provider: string
  eventId: string
  type: string
  receivedAt: Date
  payload: string | null
}

/** Events, the oldest first. Processed events without a body hold no personal data any more. */
const eventsIn = ({ db }: BillingContext, where: Prisma.Sql, page: number) =>
  inPages(page, String, (take, last?: EventRow) => {
    const after = last
      ? Prisma.sql`AND ("receivedAt", "provider", "eventId") > (${last.receivedAt}, ${last.provider}, ${last.eventId})`
      : Prisma.empty
    return db.$queryRaw<EventRow[]>`
      SELECT "provider", "eventId", "type", "receivedAt", "payload" FROM "WebhookEvent"
      WHERE ${where} ${after} ORDER BY "receivedAt", "provider", "eventId" LIMIT ${take}`
  })

/** All rows as JSON values, read page by page. `read` returns what stands for a bigint. */
async function inPages<Row>(
  size: number,
  read: (bigint: bigint) => unknown,
  next: (take: number, last?: Row) => Promise<Row[]>,
): Promise<unknown[]> {
  const all: unknown[] = []
  let last: Row | undefined
  for (;;) {
    const rows = await next(size, last)
    for (const row of rows) all.push(asJson(row, read))
    last = rows.at(-1)
    if (rows.length < size || last === undefined) return all
  }
}

/** `value` as JSON values, with each bigint replaced by what `read` returns. */
const asJson = (value: unknown, read: (bigint: bigint) => unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? read(each) : each)))
