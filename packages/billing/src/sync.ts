/**
 * `syncCustomer`: loads the provider's present state of one customer and writes it.
 *
 * The success redirect, the webhook, the reconciler and the repair command all call it; a payload is
 * never believed. A sync draws a ticket before its first request and writes only over a lower one: a
 * lock alone does not order two fetches, and the older of two would overwrite the newer.
 *
 * @module
 */

import { atomically, type Db } from '@repo/db'
import { ensurePrices } from './catalog.ts'
import type { BillingContext } from './context.ts'
import { ensureCustomer, type LinkedCustomer, unlinkCustomer } from './customers.ts'
import { declare } from './declarations.ts'
import { type Effect, factsOf } from './effects.ts'
import { bookInvoices } from './orders/invoices.ts'
import { finishIntents } from './plan-intent.ts'
import { withPlanItem } from './plan-item.ts'
import { followInvoices, grantUnflagged, paidForOf } from './plan-months.ts'
import {
  type LoadOptions,
  loadProviderState,
  type Problem,
  type ProviderState,
  withoutNames,
  withoutObjects,
} from './provider-state.ts'
import { ask, isMissing } from './stripe.ts'
import { takeEffects } from './take-effects.ts'
import { countEffects } from './telemetry.ts'
import { redeemTrials, runningTrials } from './trials.ts'
import { type Change, writeState } from './write.ts'
import { isRefusedValue } from './write-alone.ts'

export interface SyncOptions {
  /** `recent` (default): the newest hundred of each object. `full`: all there is. */
  depth?: 'recent' | 'full'
  /** The provider's ids of objects that must be part of it. Asked for when there are older ones. */
  also?: () => Promise<readonly string[]>
  /** Asks first whether the provider still has the customer. */
  mayBeDeleted?: boolean
  /**
   * Runs in the transaction of the write, last, also where a later sync has already written; one that
   * looks further than others do begins anew before.
   */
  within?: (tx: Db, result: SyncResult) => Promise<unknown>
}

export interface SyncResult {
  /** False: a sync that began later has already written. */
  written: boolean
  /** What a person has to look at; the rest is written. */
  problems: Problem[]
  /** The rows that changed. */
  changes: Change[]
  /** Keys of effects whose handler threw; the next sync tries again. */
  failedEffects: string[]
  /** True: the provider has deleted the customer, whose subscriptions have ended. */
  deleted: boolean
}

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
  return syncLinked(ctx, await ensureCustomer(ctx, ownerId), options)
}

/** As `syncCustomer`, for a customer in hand; makes none. */
export async function syncLinked(
  ctx: BillingContext,
  customer: LinkedCustomer,
  options: SyncOptions = {},
): Promise<SyncResult> {
  const { depth = 'recent', also = async () => [], within } = options
  await declare(ctx)
  const [{ ticket }] = await ctx.db.$queryRaw<[{ ticket: bigint }]>`
    SELECT nextval('sync_ticket') AS ticket`
  const isGone = options.mayBeDeleted ? await isDeleted(ctx, customer) : false
  // Nothing is loaded of a deleted customer after this once, so what happened before is read whole.
  const loaded = await load(ctx, customer, { depth: isGone ? 'full' : depth, also })
  if (loaded === null) return finishDeleted(ctx, customer, ticket, within)
  const named = customer.forgottenAt ? withoutNames(loaded) : loaded
  const looksFurther = isGone || depth === 'full' || options.also !== undefined

  const prices = await ensurePrices(ctx, named)
  const subscriptions = named.subscriptions.map((each) => withPlanItem(ctx.plans, prices, each))
  const loadedState = { ...named, subscriptions }
  const trials = await runningTrials(ctx, customer.ownerId, subscriptions)
  const result: SyncResult = {
    written: false,
    problems: loadedState.problems,
    changes: [],
    failedEffects: [],
    deleted: isGone,
  }
  let taken: Effect[] = []
  let alarms: string[] = []
  await writeApart(ctx, async (tx, refused) => {
    result.written = await takeTurn(tx, customer.id, ticket)
    if (looksFurther && !result.written) return
    if (result.written) {
      const repeatedTrials = await redeemTrials(tx, trials)
      const writing = { ctx, tx, customer, state: loadedState, prices, repeatedTrials, refused }
      const written = await writeState(writing)
      const state = refused ? withoutObjects(loadedState, refused) : loadedState
      result.problems = [...state.problems]
      for (const id of refused ?? []) result.problems.push({ id, reason: 'unwritable' })
      await bookInvoices(ctx, tx, { customer, state, ticket })
      const paidFor = paidForOf(ctx, prices)
      const facts = factsOf(state, { ...written, paidFor, now: ctx.clock.now() })
      const effects = await takeEffects(ctx, tx, customer, facts)
      await grantUnflagged(ctx, tx, facts, written.unflagged)
      await followInvoices(ctx, tx, customer, { state, paidFor })
      taken = effects.taken
      alarms = written.newlyFlagged.filter((id) => isProblem(written.flagged.get(id)))
      result.changes = written.changes
      result.failedEffects = effects.failed
      for (const [id, reason] of written.flagged) {
        if (isProblem(reason)) result.problems.push({ id, reason })
      }
      // A failed effect is tried by the next sync, which has to find the customer.
      if (isGone && effects.failed.length === 0) await unlinkCustomer(ctx, tx, customer)
    }
    await within?.(tx, result)
  })
  // The later sync may know nothing of the deletion, or of objects as old as those this one was told
  // of, and nobody else is going to tell.
  if (looksFurther && !result.written) return syncLinked(ctx, customer, options)
  report(ctx, customer, result, alarms)
  countEffects(taken)
  if (!isGone && (await finishIntents(ctx, customer, loadedState))) {
    const { within: _, ...again } = options
    result.changes.push(...(await syncLinked(ctx, customer, again)).changes)
  }
  return result
}

/** A debit that is under way settles by itself, and a failed one grants nothing; nobody has to look at it. */
const isProblem = (reason: Problem['reason'] | undefined): boolean =>
  reason !== 'first_payment_pending' && reason !== 'first_payment_failed'

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

/** Locks the customer's row and takes the ticket; false where a later one has written. */
async function takeTurn(tx: Db, customerId: string, ticket: bigint): Promise<boolean> {
  const updated = await tx.$executeRaw`
    UPDATE "Customer" SET "syncedTicket" = ${ticket}, "syncedAt" = clock_timestamp()
    WHERE "id" = ${customerId} AND "syncedTicket" < ${ticket}`
  return updated === 1
}

async function load(
  ctx: BillingContext,
  customer: LinkedCustomer,
  options: LoadOptions,
): Promise<ProviderState | null> {
  try {
    return await loadProviderState(ctx, customer.stripeCustomerId, options)
  } catch (error) {
    if (isMissing(error) && (await isDeleted(ctx, customer))) return null
    throw error
  }
}

async function isDeleted(
  ctx: BillingContext,
  { stripeCustomerId }: LinkedCustomer,
): Promise<boolean> {
  try {
    const customer = await ask('customer', ctx.stripe.customers.retrieve(stripeCustomerId))
    return customer.deleted === true
  } catch (error) {
    if (isMissing(error)) return true
    throw error
  }
}

/** For a provider that tells nothing more of a customer it has deleted. */
async function finishDeleted(
  ctx: BillingContext,
  customer: LinkedCustomer,
  ticket: bigint,
  within: SyncOptions['within'],
): Promise<SyncResult> {
  const result = { written: false, problems: [], changes: [], failedEffects: [], deleted: true }
  await atomically(ctx.db, async (tx) => {
    result.written = await takeTurn(tx, customer.id, ticket)
    // Not knowing of the deletion, a later sync found nothing to write either.
    await unlinkCustomer(ctx, tx, customer)
    await within?.(tx, result)
  })
  return result
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
