/**
 * Finds changes that a provider other than Stripe never delivered, and stores them as events. A stopped pull
 * continues
 * where it was. `pullEvents` reads Stripe's own list.
 *
 * @module
 */

import { isConnectionLost } from '../connection-lost.ts'
import type { BillingContext } from '../context.ts'
import { isBillingError } from '../errors.ts'
import { hasCustomerSync } from '../provider-name.ts'
import type { KnownObjects } from '../providers/provider.ts'
import { isolated } from '../sweep.ts'
import type { PullOptions, PullResult } from '../sync/pull.ts'
import { type Run, withRun } from '../sync/repair-run.ts'
import { inSpan } from '../telemetry.ts'
import { storeEvent } from '../webhooks/ingest.ts'
import { eventOf } from './events.ts'

const HOUR_MS = 60 * 60_000
const DAY_MS = 24 * HOUR_MS

/** Events arrive out of order, so an event up to two hours older than the newest may be missing too. */
const OVERLAP_MS = 2 * HOUR_MS
/** How far back the first pull looks at the most. */
const FIRST_MS = 30 * DAY_MS

/** How long after its completion an order is checked for refunds and disputes. */
const DISPUTABLE_MS = 120 * DAY_MS

/** Rows between two saves of the position. */
const PAGE = 50

/** The phases of a pull, in turn: unfinished orders, running subscriptions, and then the provider's new events. */
type Phase = 'orders' | 'subscriptions' | 'new'

interface Position {
  [key: string]: string | null
  /** All events before this time are stored. ISO 8601. */
  since: string
  /** When the unfinished walk began, ISO 8601. Null: no walk is unfinished. */
  from: string | null
  phase: Phase
  /** Id of the phase's last row that was looked at. */
  after: string
}

/** Stores the provider's events that are missing here. The contract is in `functions/orders.ts`. */
export function pullOrders(ctx: BillingContext, options: PullOptions = {}): Promise<PullResult> {
  return inSpan('pull orders', {}, async () => {
    const result: PullResult = { seen: 0, pulled: [], outcome: 'done' }
    const { name } = ctx.provider
    if (hasCustomerSync(name)) return result
    const run = (each: Run<Position>) => phases(ctx, each, options, result)
    result.outcome = await withRun<Position>(ctx, `pullOrders:${name}`, options, run)
    if (result.pulled.length > 0) {
      ctx.logger.warn(
        { seen: result.seen, pulled: result.pulled.length },
        'stored events that were missing',
      )
    }
    return result
  })
}

async function phases(
  ctx: BillingContext,
  run: Run<Position>,
  options: PullOptions,
  result: PullResult,
): Promise<boolean> {
  const { name, capabilities } = ctx.provider
  const known = run.position
  const now = ctx.clock.now().toISOString()
  const isUnderWay = known !== null && known.from !== null && options.since === undefined
  let position: Position = isUnderWay
    ? known
    : {
        since:
          options.since?.toISOString() ??
          known?.since ??
          (await sinceNewest(ctx, name)).toISOString(),
        from: now,
        // A provider that lists all its events need not be asked about single objects.
        phase: capabilities.listsEvents ? 'new' : 'orders',
        after: '',
      }
  while (position.phase !== 'new') {
    if (run.isOver()) return false
    const { ids, last } = await knownPage(ctx, name, position.phase, position.after)
    if (!(await askAbout(ctx, ids, run, options, result))) return false
    const next: Phase = position.phase === 'orders' ? 'subscriptions' : 'new'
    position =
      last === null ? { ...position, phase: next, after: '' } : { ...position, after: last }
    if (!(await run.save(position))) return false
  }
  if (!(await storeAll(ctx, new Date(position.since), NOTHING, run, options, result))) return false
  const from = Date.parse(position.from ?? now) - OVERLAP_MS
  const since = new Date(Math.max(from, Date.parse(position.since))).toISOString()
  run.keep({ since, from: null, phase: 'orders', after: '' })
  return true
}

const NOTHING: KnownObjects = { checkoutIds: [], paymentIds: [], subscriptionIds: [] }

/** Asks about a page of objects. If the provider fails, asks about each object alone. */
async function askAbout(
  ctx: BillingContext,
  ids: KnownObjects,
  run: Run<Position>,
  options: PullOptions,
  result: PullResult,
): Promise<boolean> {
  // A date in the far future, so that the provider adds no events of its own list.
  const since = new Date(8.64e15)
  try {
    return await storeAll(ctx, since, ids, run, options, result)
  } catch (error) {
    if (isConnectionLost(error) || isBillingError(error, 'provider_unavailable')) throw error
  }
  for (const kind of ['checkoutIds', 'paymentIds', 'subscriptionIds'] as const) {
    for (const id of ids[kind]) {
      if (run.isOver()) return false
      await isolated(ctx, 'could not ask the provider about an object', { id }, () =>
        storeAll(ctx, since, { ...NOTHING, [kind]: [id] }, run, options, result),
      )
    }
  }
  return true
}

/** Stores the hints of one pull as events. False: the run was stopped. */
async function storeAll(
  ctx: BillingContext,
  since: Date,
  known: KnownObjects,
  run: Run<Position>,
  options: PullOptions,
  result: PullResult,
): Promise<boolean> {
  const { provider } = ctx
  for await (const hint of provider.pull(since, known)) {
    if (run.isOver()) return false
    result.seen += 1
    options.onProgress?.(result.seen)
    const { eventId } = hint
    const isStored = await isolated(ctx, 'a pulled event was not stored', { eventId }, () =>
      storeEvent(ctx, eventOf(provider.name, hint, JSON.stringify(hint)), 'pull'),
    )
    if (isStored) result.pulled.push(eventId)
  }
  return true
}

/** Where the first pull starts: shortly before the newest stored event, 30 days back at the most. */
async function sinceNewest(ctx: BillingContext, provider: string): Promise<Date> {
  const newestFirst = await ctx.db.webhookEvent.findFirst({
    where: { provider, providerCreatedAt: { not: null } },
    orderBy: { receivedAt: 'desc' },
    select: { providerCreatedAt: true },
  })
  const newest = newestFirst?.providerCreatedAt?.getTime() ?? 0
  return new Date(Math.max(newest - OVERLAP_MS, ctx.clock.now().getTime() - FIRST_MS))
}

/**
 * A page of unfinished objects: open checkouts and payments that may still be refunded or disputed, or
 * running subscriptions.
 */
async function knownPage(
  ctx: BillingContext,
  provider: string,
  phase: Exclude<Phase, 'new'>,
  after: string,
): Promise<{ ids: KnownObjects; last: string | null }> {
  const page = { id: { gt: after } }
  if (phase === 'subscriptions') {
    const rows = await ctx.db.subscription.findMany({
      where: { ...page, provider, status: { notIn: ['canceled', 'incomplete_expired'] } },
      orderBy: { id: 'asc' },
      take: PAGE,
    })
    const subscriptionIds = rows.flatMap(({ providerSubscriptionId: id }) => id ?? [])
    return { ids: { ...NOTHING, subscriptionIds }, last: rows.at(-1)?.id ?? null }
  }
  const since = new Date(ctx.clock.now().getTime() - DISPUTABLE_MS)
  const rows = await ctx.db.order.findMany({
    where: {
      ...page,
      provider,
      OR: [
        { status: 'pending', checkoutId: { not: null } },
        { status: 'completed', paymentId: { not: null }, completedAt: { gt: since } },
      ],
    },
    orderBy: { id: 'asc' },
    take: PAGE,
  })
  const paid = rows.filter(
    ({ status, amountRefunded, amountPaid }) =>
      status === 'completed' && amountRefunded < amountPaid,
  )
  const open = rows.filter(({ status }) => status === 'pending')
  return {
    ids: {
      ...NOTHING,
      checkoutIds: open.flatMap(({ checkoutId }) => checkoutId ?? []),
      paymentIds: paid.flatMap(({ paymentId }) => paymentId ?? []),
    },
    last: rows.at(-1)?.id ?? null,
  }
}
