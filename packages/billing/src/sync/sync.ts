/**
 * `syncCustomer` loads the provider's present state of one customer and writes it. The success redirect, the
 * webhook, the reconciler and the repair command all call it; an event's payload is never written.
 *
 * A sync draws a ticket before its first request and writes only over a lower ticket. A lock alone does not
 * order two loads, so the older load could overwrite the newer.
 *
 * A sync of a part loads only the objects that events name, if the rest of the customer cannot have changed
 * with them. It has a ticket of its own. A whole sync that a part has overtaken starts again, because the
 * part has not loaded everything.
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
import type { LoadedObjects } from '../providers/provider.ts'
import { isMissing } from '../providers/stripe/client.ts'
import { finishDeleted, isDeleted } from './deleted.ts'
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
import { tellOf } from './report.ts'
import { type Found, type Written, writeFound } from './sync-write.ts'
import { runningTrials } from './trials.ts'
import { nextTicket, startsAnew, type Turn, takePartTurn, takeTurn } from './turns.ts'
import { voidUnpaidFirst } from './unpaid-first.ts'
import { isRefusedValue } from './write-alone.ts'
import { subscriptionsOf } from './write-subscriptions.ts'

/**
 * Loads the provider's present state of the owner's customer, writes it and sets off the effects of new
 * facts.
 *
 * @throws `owner_not_found`, `provider_unavailable`, `provider_rejected`. In these cases nothing is written.
 */
export async function syncCustomer(
  ctx: BillingContext,
  ownerId: string,
  options: SyncOptions = {},
): Promise<SyncResult> {
  const customer = await ensureCustomer(ctx, ownerId)
  const result = await syncLinked(ctx, customer, options)
  // The sync is already written. If the owner's address cannot be updated at Stripe now, the next
  // sync does it.
  if (!result.deleted) {
    await followOwner(ctx, customer).catch((error: unknown) => {
      ctx.logger.warn(
        { ownerId, error },
        "could not update the customer's name and address at the provider",
      )
    })
  }
  return result
}

/** Like `syncCustomer`, for a customer that exists already. */
export async function syncLinked(
  ctx: BillingContext,
  customer: LinkedCustomer,
  options: SyncOptions = {},
): Promise<SyncResult> {
  await Promise.all([declare(ctx), requireAccount(ctx)])
  const { ticket: drawn, loaded: settle, ...others } = options
  let ticket = drawn ?? (await nextTicket(ctx))
  let isSettled = settle === undefined
  const rest: Loading = {
    ...others,
    async onLoad(loaded) {
      if (isSettled) return
      await settle?.(loaded && { loaded, ticket })
      isSettled = true
    },
  }
  for (let current = customer; ; current = await asItStands(ctx, current)) {
    const part = options.part ? await syncPart(ctx, current, rest, options.part, ticket) : null
    const done = part ?? (await syncWhole(ctx, current, rest, ticket))
    // `again`: a sync that may have loaded less has written, or the owner was forgotten meanwhile.
    if (done !== 'again') return done
    ticket = await nextTicket(ctx)
    // The later sync may have loaded what orders do not know yet, and its events may be finished.
    isSettled = settle === undefined
  }
}

/** The options of a sync, with what runs between a load and its write. */
interface Loading extends Omit<SyncOptions, 'loaded' | 'ticket'> {
  /** Receives the loaded objects. Undefined: the provider no longer has the customer. */
  onLoad(loaded: LoadedObjects | undefined): Promise<void>
}

/** The customer's row read again, with the id at the provider even if the customer was unlinked. */
async function asItStands(ctx: BillingContext, customer: LinkedCustomer): Promise<LinkedCustomer> {
  const row = await ctx.db.customer.findUniqueOrThrow({ where: { id: customer.id } })
  return { ...row, stripeCustomerId: row.stripeCustomerId ?? customer.stripeCustomerId }
}

async function syncWhole(
  ctx: BillingContext,
  customer: LinkedCustomer,
  options: Loading,
  ticket: bigint,
): Promise<SyncResult | 'again'> {
  const { depth = 'recent', also = async () => [], within } = options
  const { mayBeDeleted = false, asksDeleted = false } = options
  const isGone =
    mayBeDeleted || asksDeleted ? await isDeleted(ctx, customer, { isTold: mayBeDeleted }) : false
  // This is the last load of a deleted customer, so its history is loaded in full.
  const { disputed } = options
  const how = { depth: isGone ? 'full' : depth, also, ...(disputed ? { disputed } : {}) } as const
  const loaded = await load(ctx, customer, how, isGone)
  await options.onLoad(loaded?.raw)
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
        ...found,
        ticket,
        result,
        silent,
        before: null,
        refused,
      })
      result.keepsLink = result.failedEffects.length > 0
    }
    await within?.(tx, result)
    if (isGone && !result.keepsLink) await unlinkCustomer(ctx, tx, customer)
  })
  // The later sync may not know about the deletion or about old objects that this sync loaded, and
  // no other sync would write them.
  if (startsAnew(turn) || (looksFurther && !result.written)) return 'again'
  tellOf(ctx, customer, result, written)
  if (!isGone) await finish(ctx, customer, found, options, result)
  return result
}

/**
 * Voids unpaid first invoices and finishes interrupted plan changes. If that changed something at Stripe, the
 * customer is synced again.
 */
async function finish(
  ctx: BillingContext,
  customer: LinkedCustomer,
  found: Found,
  options: Loading,
  result: SyncResult,
): Promise<void> {
  const isVoided = await voidUnpaidFirst(ctx, found)
  const isFinished = await finishIntents(ctx, customer, found.state)
  if (!isVoided && !isFinished) return
  const { within: _, onLoad: __, ...again } = options
  result.changes.push(...(await syncLinked(ctx, customer, again)).changes)
}

/** Syncs a part of the customer. Null: the whole customer has to be synced. */
async function syncPart(
  ctx: BillingContext,
  customer: LinkedCustomer,
  options: Loading,
  part: Part,
  ticket: bigint,
): Promise<SyncResult | 'again' | null> {
  // A first sync, a deletion and a forgotten owner need the whole customer.
  if (options.mayBeDeleted || customer.syncedAt === null || customer.forgottenAt !== null)
    return null
  const loaded = await loadPart(ctx, customer.stripeCustomerId, part)
  if (loaded === null || loaded.problems.length > 0) return null
  await options.onLoad(loaded.raw)
  const found = await prepare(ctx, customer, loaded)
  const result = newResult(found.state, false)
  let written: Written | null = null
  let turn: Turn = 'overtaken'
  const write = async (tx: Db) => {
    turn = await takePartTurn(tx, customer, ticket)
    if (turn !== 'taken') return
    const before = await subscriptionsOf(tx, customer)
    // The error also undoes the ticket. The whole customer is loaded instead.
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
    // The sync of the whole customer can write each object alone and leave out the refused one.
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

/**
 * Runs `write` in a transaction. If the database refuses the values of an object, runs it again with each
 * object written alone, so that the other objects are written.
 */
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

/** Thrown to undo the write of a part that depends on the rest of its customer. */
class NotPlain extends Error {}

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
