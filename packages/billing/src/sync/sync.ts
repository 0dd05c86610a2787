/**
 * `syncCustomer`: loads the provider's present state of one customer and writes it.
 *
 * A sync of a part loads only what events name, where the rest cannot have changed with it. It has a ticket of its own,
 * and a whole sync that a part has overtaken begins anew, because the part has not seen all that the whole one has.
 *
 * The success redirect, the webhook, the reconciler and the repair command all call it; a payload is
 * never believed. A sync draws a ticket before its first request and writes only over a lower one: a
 * lock alone does not order two fetches, and the older of two would overwrite the newer.
 *
 * @module
 */

import { atomically, type Db } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { requireAccount } from '../customers/account.ts'
import {
  ensureCustomer,
  followOwner,
  type LinkedCustomer,
  unlinkCustomer,
} from '../customers/customers.ts'
import { declare } from '../effects/declarations.ts'
import { BillingError } from '../errors.ts'
import { ask, isMissing } from '../providers/stripe/client.ts'
import { countEffects } from '../telemetry.ts'
import type { SyncOptions, SyncResult } from './options.ts'
import { isPlainPart, loadPart, type Part } from './part.ts'
import { finishIntents } from './plan-intent.ts'
import { withPlanItem } from './plan-item.ts'
import { ensurePrices } from './prices.ts'
import {
  type LoadOptions,
  loadProviderState,
  type ProviderState,
  withoutNames,
} from './provider-state.ts'
import { type Found, type Written, writeFound } from './sync-write.ts'
import { runningTrials } from './trials.ts'
import { voidUnpaidFirst } from './unpaid-first.ts'
import { subscriptionsOf } from './write.ts'
import { isRefusedValue } from './write-alone.ts'

/**
 * Writes what the provider says of `ownerId` now, and does what follows from it.
 *
 * @throws `owner_not_found`, `provider_unavailable`, `provider_rejected`. Nothing is written then.
 */
export async function syncCustomer(
  ctx: BillingContext,
  ownerId: string,
  options: SyncOptions = {},
): Promise<SyncResult> {
  const customer = await ensureCustomer(ctx, ownerId)
  const result = await syncLinked(ctx, customer, options)
  // What was asked for is written: an address that cannot be told now is told by the next one.
  if (!result.deleted) {
    await followOwner(ctx, customer).catch((error: unknown) => {
      ctx.logger.warn({ ownerId, error }, 'the customer could not follow its owner')
    })
  }
  return result
}

/** As `syncCustomer`, for a customer in hand; makes none. */
export async function syncLinked(
  ctx: BillingContext,
  customer: LinkedCustomer,
  options: SyncOptions = {},
): Promise<SyncResult> {
  await Promise.all([declare(ctx), requireAccount(ctx)])
  const { ticket: drawn, ...rest } = options
  let ticket = drawn ?? (await nextTicket(ctx))
  for (let current = customer; ; current = await asItStands(ctx, current)) {
    const part = options.part ? await syncPart(ctx, current, rest, options.part, ticket) : null
    const done = part ?? (await syncWhole(ctx, current, rest, ticket))
    // Overtaken by a sync that may have loaded less, or by somebody who forgot the owner.
    if (done !== 'again') return done
    ticket = await nextTicket(ctx)
  }
}

async function asItStands(ctx: BillingContext, customer: LinkedCustomer): Promise<LinkedCustomer> {
  const row = await ctx.db.customer.findUniqueOrThrow({ where: { id: customer.id } })
  return { ...row, stripeCustomerId: row.stripeCustomerId ?? customer.stripeCustomerId }
}

async function nextTicket(ctx: BillingContext): Promise<bigint> {
  const [{ ticket }] = await ctx.db.$queryRaw<[{ ticket: bigint }]>`
    SELECT nextval('sync_ticket') AS ticket`
  return ticket
}

async function syncWhole(
  ctx: BillingContext,
  customer: LinkedCustomer,
  options: SyncOptions,
  ticket: bigint,
): Promise<SyncResult | 'again'> {
  const { depth = 'recent', also = async () => [], within } = options
  const { mayBeDeleted = false, asksDeleted = false } = options
  const isGone =
    mayBeDeleted || asksDeleted ? await isDeleted(ctx, customer, { isTold: mayBeDeleted }) : false
  // Nothing is loaded of a deleted customer after this once, so what happened before is read whole.
  const { disputed } = options
  const how = { depth: isGone ? 'full' : depth, also, ...(disputed ? { disputed } : {}) } as const
  const loaded = await load(ctx, customer, how, isGone)
  if (loaded === null) return finishDeleted(ctx, customer, ticket, within)
  const looksFurther = isGone || depth === 'full' || options.also !== undefined
  const found = await prepare(ctx, customer, loaded)
  const result = newResult(found.state, isGone)
  result.isForgotten = customer.forgottenAt !== null
  let written: Written | null = null
  let turn: Turn = 'overtaken'
  await writeApart(ctx, async (tx, refused) => {
    turn = await takeTurn(tx, customer, ticket)
    result.written = turn === 'taken'
    if (startsAnew(turn) || (looksFurther && !result.written)) return
    if (result.written) {
      const { silent } = options
      written = await writeFound(ctx, tx, customer, {
        ...{ ...found, ticket, result, silent, refused },
        before: null,
      })
      // A failed effect is tried by the next sync, which has to find the customer.
      if (isGone && result.failedEffects.length === 0) await unlinkCustomer(ctx, tx, customer)
    }
    await within?.(tx, result)
  })
  // The later sync may know nothing of the deletion, or of objects as old as those this one was told
  // of, and nobody else is going to tell.
  if (startsAnew(turn) || (looksFurther && !result.written)) return 'again'
  tellOf(ctx, customer, result, written)
  if (!isGone) await finish(ctx, customer, found, options, result)
  return result
}

/** Does what a change that was cut off has left to do, and writes what came of that. */
async function finish(
  ctx: BillingContext,
  customer: LinkedCustomer,
  found: Found,
  options: SyncOptions,
  result: SyncResult,
): Promise<void> {
  const isVoided = await voidUnpaidFirst(ctx, found)
  const isFinished = await finishIntents(ctx, customer, found.state)
  if (!isVoided && !isFinished) return
  const { within: _, ...again } = options
  result.changes.push(...(await syncLinked(ctx, customer, again)).changes)
}

/** Null: a part is not enough. */
async function syncPart(
  ctx: BillingContext,
  customer: LinkedCustomer,
  options: SyncOptions,
  part: Part,
  ticket: bigint,
): Promise<SyncResult | 'again' | null> {
  // The first sync tells the past from the present, and a deletion concerns all there is.
  if (options.mayBeDeleted || customer.syncedAt === null || customer.forgottenAt !== null)
    return null
  const loaded = await loadPart(ctx, customer.stripeCustomerId, part)
  if (loaded === null || loaded.problems.length > 0) return null
  const found = await prepare(ctx, customer, loaded)
  const result = newResult(found.state, false)
  let written: Written | null = null
  let turn: Turn = 'overtaken'
  const write = async (tx: Db) => {
    turn = await takePartTurn(tx, customer, ticket)
    if (turn !== 'taken') return
    const before = await subscriptionsOf(tx, customer)
    // Undone, with the turn: the customer is loaded whole.
    if (!isPlainPart(before, found.state)) throw new NotPlain()
    result.written = true
    result.isPart = true
    const { silent } = options
    written = await writeFound(ctx, tx, customer, {
      ...found,
      ticket,
      result,
      silent,
      before,
      refused: null,
    })
    await options.within?.(tx, result)
  }
  try {
    await atomically(ctx.db, write)
  } catch (error) {
    // The whole customer is written with an object apart that the database refuses.
    if (error instanceof NotPlain || isRefusedValue(error)) return null
    throw error
  }
  if ((turn as Turn) !== 'taken') return 'again'
  tellOf(ctx, customer, result, written)
  await finish(ctx, customer, found, options, result)
  return result
}

async function prepare(
  ctx: BillingContext,
  customer: LinkedCustomer,
  loaded: ProviderState,
): Promise<Found> {
  const named = customer.forgottenAt ? withoutNames(loaded) : loaded
  const prices = await ensurePrices(ctx, named)
  const subscriptions = named.subscriptions.map((each) => withPlanItem(ctx.plans, prices, each))
  const trials = await runningTrials(ctx, customer.ownerId, subscriptions)
  return { state: { ...named, subscriptions }, prices, trials }
}

const newResult = ({ problems }: ProviderState, deleted: boolean): SyncResult => ({
  written: false,
  problems,
  changes: [],
  failedEffects: [],
  deleted,
})

/** In a transaction; where the database refuses the values of an object, once more, to write the others. */
async function writeApart(
  ctx: BillingContext,
  write: (tx: Db, refused: Set<string> | null) => Promise<unknown>,
): Promise<void> {
  try {
    await atomically(ctx.db, (tx) => write(tx, null))
  } catch (error) {
    if (!isRefusedValue(error)) throw error
    await atomically(ctx.db, (tx) => write(tx, new Set()))
  }
}

/** A part that depends on the rest of its customer. */
class NotPlain extends Error {}

type Turn = 'taken' | 'overtaken' | 'overtaken by a part' | 'owner forgotten'

const startsAnew = (turn: Turn): boolean =>
  turn === 'overtaken by a part' || turn === 'owner forgotten'

/** Locks the customer's row and takes the ticket, unless a later sync has written. */
async function takeTurn(
  tx: Db,
  { id, forgottenAt }: LinkedCustomer,
  ticket: bigint,
): Promise<Turn> {
  const isNamed = forgottenAt === null
  const updated = await tx.$executeRaw`
    UPDATE "Customer" SET "syncedTicket" = ${ticket}, "syncedAt" = clock_timestamp()
    WHERE "id" = ${id} AND "syncedTicket" < ${ticket} AND "partTicket" < ${ticket}
      AND ("forgottenAt" IS NULL) = ${isNamed}`
  if (updated === 1) return 'taken'
  const [row] = await tx.$queryRaw<{ isWhole: boolean; isNamed: boolean }[]>`
    SELECT "syncedTicket" >= ${ticket} AS "isWhole", "forgottenAt" IS NULL AS "isNamed"
    FROM "Customer" WHERE "id" = ${id}`
  // Forgotten while the provider was asked: no name may come back.
  if (row && row.isNamed !== isNamed) return 'owner forgotten'
  return row?.isWhole === false ? 'overtaken by a part' : 'overtaken'
}

async function takePartTurn(
  tx: Db,
  { id, forgottenAt }: LinkedCustomer,
  ticket: bigint,
): Promise<Turn> {
  const updated = await tx.$executeRaw`
    UPDATE "Customer" SET "partTicket" = ${ticket}, "syncedAt" = clock_timestamp()
    WHERE "id" = ${id} AND "syncedTicket" < ${ticket} AND "partTicket" < ${ticket}
      AND ("forgottenAt" IS NULL) = ${forgottenAt === null}`
  return updated === 1 ? 'taken' : 'overtaken'
}

async function load(
  ctx: BillingContext,
  customer: LinkedCustomer,
  options: LoadOptions,
  isGone: boolean,
): Promise<ProviderState | null> {
  try {
    return await loadProviderState(ctx, customer.stripeCustomerId, options)
  } catch (error) {
    if (isMissing(error) && (isGone || (await isDeleted(ctx, customer)))) return null
    throw error
  }
}

/**
 * Whether Stripe says that it has deleted the customer. That it does not know the customer is no deletion: it answers
 * so to a key of another account, too. Only together with an event of the deletion it is.
 *
 * @throws `customer_not_found` where Stripe does not know the customer, and no event has told of a deletion.
 */
async function isDeleted(
  ctx: BillingContext,
  { ownerId, stripeCustomerId }: LinkedCustomer,
  { isTold = false }: { isTold?: boolean } = {},
): Promise<boolean> {
  try {
    const customer = await ask('customer', ctx.stripe.customers.retrieve(stripeCustomerId))
    return customer.deleted === true
  } catch (error) {
    if (!isMissing(error)) throw error
    if (isTold) return true
    throw new BillingError(
      'customer_not_found',
      `Stripe does not know the customer ${stripeCustomerId} of ${ownerId}, and has not said that it was deleted. ` +
        'Nothing was changed.',
      { cause: error },
    )
  }
}

/** For a provider that tells nothing more of a customer it has deleted. */
async function finishDeleted(
  ctx: BillingContext,
  customer: LinkedCustomer,
  ticket: bigint,
  within: SyncOptions['within'],
): Promise<SyncResult> {
  const isForgotten = customer.forgottenAt !== null
  const ended = { problems: [], changes: [], failedEffects: [], deleted: true }
  const result = { ...ended, written: false, isForgotten }
  await atomically(ctx.db, async (tx) => {
    result.written = (await takeTurn(tx, customer, ticket)) === 'taken'
    // Not knowing of the deletion, a later sync found nothing to write either.
    await unlinkCustomer(ctx, tx, customer)
    await within?.(tx, result)
  })
  return result
}

function tellOf(
  ctx: BillingContext,
  customer: LinkedCustomer,
  result: SyncResult,
  written: Written | null,
): void {
  report(ctx, customer, result, written?.alarms ?? [])
  countEffects(written?.taken ?? [])
}

/** What a log and a person should hear of it, after the commit. */
function report(
  ctx: BillingContext,
  { ownerId }: LinkedCustomer,
  { problems, changes }: SyncResult,
  alarms: string[],
): void {
  for (const { object, id, from, to } of changes) {
    if (object === 'subscription' && from !== to) {
      ctx.logger.info({ ownerId, subscription: id, from, to }, 'subscription')
    }
  }
  for (const { id, reason } of problems) {
    if (alarms.includes(id)) ctx.alert({ code: reason, ownerId, id })
    else ctx.logger.warn({ ownerId, id, reason }, 'needs attention')
  }
}
