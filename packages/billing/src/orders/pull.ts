/**
 * What a provider other than Stripe never delivered: it is asked, and what it tells is stored as events
 * like any others. Stripe's own list is read by `pullEvents`.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import type { KnownObjects } from '../providers/provider.ts'
import { isolated } from '../sweep.ts'
import { inSpan } from '../telemetry.ts'
import { storeEvent } from '../webhooks/ingest.ts'
import type { PullOptions, PullResult } from '../webhooks/pull.ts'
import { eventOf } from './events.ts'

const HOUR_MS = 60 * 60_000
const DAY_MS = 24 * HOUR_MS

/** Events arrive out of order, so what is a little older than the newest may be missing too. */
const OVERLAP_MS = 2 * HOUR_MS
const FIRST_MS = 30 * DAY_MS

/** How long after its payment an order is looked at for refunds and disputes, and how many are. */
const DISPUTABLE_MS = 120 * DAY_MS
const MOST = 500

/** Stores what the provider knows and we do not. Does nothing for Stripe. */
export function pullOrders(ctx: BillingContext, options: PullOptions = {}): Promise<PullResult> {
  return inSpan('pull orders', {}, async () => {
    const result: PullResult = { seen: 0, pulled: [] }
    const { provider } = ctx
    const { name } = provider
    if (name === 'stripe') return result
    const since = options.since ?? (await sinceNewest(ctx, name))
    for await (const hint of provider.pull(since, await knownOf(ctx, name))) {
      if (options.signal?.aborted) break
      result.seen += 1
      options.onProgress?.(result.seen)
      const { eventId } = hint
      const isStored = await isolated(ctx, 'a pulled event was not stored', { eventId }, () =>
        storeEvent(ctx, eventOf(name, hint, JSON.stringify(hint)), 'pull'),
      )
      if (isStored) result.pulled.push(eventId)
    }
    if (result.pulled.length > 0) {
      ctx.logger.warn({ seen: result.seen, pulled: result.pulled.length }, 'events were missing')
    }
    return result
  })
}

async function sinceNewest(ctx: BillingContext, provider: string): Promise<Date> {
  const { _max } = await ctx.db.webhookEvent.aggregate({
    where: { provider },
    _max: { providerCreatedAt: true },
  })
  const newest = _max.providerCreatedAt?.getTime() ?? 0
  return new Date(Math.max(newest - OVERLAP_MS, ctx.clock.now().getTime() - FIRST_MS))
}

/** What is not settled here: open checkouts, payments that may yet go back, subscriptions that run. */
async function knownOf(ctx: BillingContext, provider: string): Promise<KnownObjects> {
  const orders = (where: object) =>
    ctx.db.order.findMany({
      where: { provider, ...where },
      orderBy: { createdAt: 'desc' },
      take: MOST,
    })
  const since = new Date(ctx.clock.now().getTime() - DISPUTABLE_MS)
  const [open, paid, subscriptions] = await Promise.all([
    orders({ status: 'pending', checkoutId: { not: null } }),
    orders({ status: 'completed', paymentId: { not: null }, completedAt: { gt: since } }),
    ctx.db.subscription.findMany({
      where: { provider, status: { notIn: ['canceled', 'incomplete_expired'] } },
      orderBy: { updatedAt: 'asc' },
      take: MOST,
    }),
  ])
  return {
    checkoutIds: open.flatMap(({ checkoutId }) => checkoutId ?? []),
    paymentIds: paid
      .filter(({ amountRefunded, amountPaid }) => amountRefunded < amountPaid)
      .flatMap(({ paymentId }) => paymentId ?? []),
    subscriptionIds: subscriptions.flatMap(
      ({ providerSubscriptionId }) => providerSubscriptionId ?? [],
    ),
  }
}
