/**
 * Runs effects that wait for an instance that has their parts, and effects that a person redelivers. Each
 * part is done once for the effect's key: the effect's row is locked and records what was done.
 *
 * @module
 */

import { atomically, type Db, type Effect as EffectRow, type Prisma } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'
import { endOf, PAGE, type PageOptions } from '../page.ts'
import { declarationsOf, declare } from './declarations.ts'
import type { Effect } from './facts.ts'
import { doParts, type EffectPart, handles, soldBy } from './take-effects.ts'

/** An effect's row. */
export interface RecordedEffect {
  key: string
  name: string
  ownerId: string
  /** Whether a handler of the host has run. Null: unknown, because the row is older than this column. */
  handled: boolean | null
  /** The parts that wait for another instance. */
  awaits: EffectPart[]
  /** When the fact was recorded. */
  createdAt: Date
}

/** Which page `listWaitingEffects` returns. `after` is the key of the last effect of the previous page. */
export interface ListWaitingOptions extends PageOptions {}

/** The effects that wait for another instance, sorted by key. The contract is in `functions/webhooks.ts`. */
export async function listWaitingEffects(
  ctx: BillingContext,
  { limit = PAGE, after }: ListWaitingOptions = {},
): Promise<RecordedEffect[]> {
  const last = await endOf(after, 'an effect', (key) =>
    ctx.db.effect.findUnique({ where: { key }, select: { key: true } }),
  )
  return ctx.db.$queryRaw<RecordedEffect[]>`
    SELECT e."key", e."name", c."ownerId", e."handled", e."awaits", e."createdAt"
    FROM "Effect" e JOIN "Customer" c ON c."id" = e."customerId"
    WHERE e."awaits" <> '{}' AND e."key" > ${last?.key ?? ''} ORDER BY e."key" LIMIT ${limit}`
}

/** The result of `takeWaitingEffects`. */
export interface TakenWaiting {
  /** Keys of the effects that this instance ran, in full or in part. */
  taken: string[]
  /** Keys of the effects whose handler threw. They keep waiting. */
  failed: string[]
}

/** Runs the waiting parts that this instance has, of one customer or of all. */
export async function takeWaitingEffects(
  ctx: BillingContext,
  { customerId, signal }: { customerId?: string; signal?: AbortSignal } = {},
): Promise<TakenWaiting> {
  const result: TakenWaiting = { taken: [], failed: [] }
  await declare(ctx)
  const names = namesTaken(ctx)
  if (names.length === 0) return result
  let after = ''
  for (;;) {
    const page = await ctx.db.$queryRaw<{ key: string; customerId: string }[]>`
      SELECT "key", "customerId" FROM "Effect"
      WHERE "awaits" <> '{}' AND "key" > ${after} AND "name" = ANY(${names})
        AND (${customerId ?? null}::text IS NULL OR "customerId" = ${customerId ?? null})
      ORDER BY "key" LIMIT ${PAGE}`
    for (const { key, customerId: of } of page) {
      if (signal?.aborted) return result
      const did = await atomically(ctx.db, (tx) => takeLocked(ctx, tx, key, of, waitingParts))
      if (did === 'failed') result.failed.push(key)
      else if (did.length > 0) result.taken.push(key)
    }
    const last = page.at(-1)
    if (!last || page.length < PAGE) return result
    after = last.key
  }
}

/** The result of `redeliverEffect`. */
export interface RedeliveredEffect {
  key: string
  name: string
  /** The parts that were done now. Empty: all parts were already done. */
  did: EffectPart[]
  /** Whether a handler of the host has run, now or before. Null: unknown. */
  handled: boolean | null
}

/**
 * Runs the parts of an effect that this instance has and that are not recorded as done.
 * The contract is in `functions/webhooks.ts`.
 */
export async function redeliverEffect(
  ctx: BillingContext,
  key: string,
): Promise<RedeliveredEffect> {
  const found = await ctx.db.effect.findUnique({ where: { key } })
  if (!found) throw new BillingError('effect_not_found', `There is no effect ${key}.`)
  const { name, customerId } = found
  const { did, credited } = await atomically(ctx.db, async (tx) => {
    const before = await grantsOf(tx, customerId)
    const did = await takeLocked(ctx, tx, key, customerId, lostParts)
    return { did, credited: (await grantsOf(tx, customerId)) > before }
  })
  if (did === 'failed') {
    throw new BillingError(
      'effect_failed',
      `The handler of the effect ${key} threw. Nothing was changed.`,
    )
  }
  const { handled, awaits } = await ctx.db.effect.findUniqueOrThrow({ where: { key } })
  if (did.length === 0 && (handled !== true || awaits.length > 0)) {
    const message = `This instance has no handler for ${name} and no plan credits for the effect ${key}.`
    throw new BillingError('effect_not_handled', message)
  }
  // The ledger grants once for a key, and nothing for a past month, so `plan_credits` is reported
  // only if credits were granted.
  return { key, name, did: did.filter((part) => part !== 'plan_credits' || credited), handled }
}

/** The number of credit transactions of a customer's owner. Locks the customer's row first, as a sync does. */
async function grantsOf(tx: Db, customerId: string): Promise<number> {
  const [found] = await tx.$queryRaw<{ ownerId: string }[]>`
    SELECT "ownerId" FROM "Customer" WHERE "id" = ${customerId} FOR NO KEY UPDATE`
  return tx.creditTransaction.count({ where: { ownerId: found?.ownerId ?? '' } })
}

type Choose = (ctx: BillingContext, tx: Db, row: EffectRow, effect: Effect) => Promise<EffectPart[]>

/** Runs the chosen parts of an effect under the same locks as a sync, in the same order. */
async function takeLocked(
  ctx: BillingContext,
  tx: Db,
  key: string,
  customerId: string,
  choose: Choose,
): Promise<EffectPart[] | 'failed'> {
  const [customer] = await tx.$queryRaw<{ ownerId: string }[]>`
    SELECT "ownerId" FROM "Customer" WHERE "id" = ${customerId} FOR NO KEY UPDATE`
  await tx.$executeRaw`SELECT 1 FROM "Effect" WHERE "key" = ${key} FOR UPDATE`
  const row = await tx.effect.findUnique({ where: { key } })
  if (!row || !customer) return []
  const effect = { ...row, ownerId: customer.ownerId, payload: row.payload } as unknown as Effect
  const parts = await choose(ctx, tx, row, effect)
  if (parts.length === 0) return []
  const { name, payload, ownerId } = effect
  if (!(await doParts(ctx, tx, { key, name, customerId, ownerId, payload } as Effect, parts))) {
    return 'failed'
  }
  const data: Prisma.EffectUpdateInput = {
    awaits: row.awaits.filter((part) => !parts.some((done) => done === part)),
    ...(parts.includes('handler') ? { handled: true } : {}),
  }
  await tx.effect.update({ where: { key }, data })
  return parts
}

/** The waiting parts of the effect that this instance has. */
const waitingParts: Choose = async (ctx, tx, row, effect) => {
  const can = await partsHad(ctx, tx, effect)
  return can.filter((part) => row.awaits.includes(part))
}

/** All parts of the effect that this instance has, except a handler that is known to have run. */
const lostParts: Choose = async (ctx, tx, row, effect) => {
  const can = await partsHad(ctx, tx, effect)
  return can.filter((part) => part !== 'handler' || row.handled !== true)
}

async function partsHad(ctx: BillingContext, tx: Db, effect: Effect): Promise<EffectPart[]> {
  const parts: EffectPart[] = []
  if (effect.name === 'invoice.paid') {
    const own = declarationsOf(ctx)
    const { identities, isFlagged } = await soldBy(tx, effect as Effect<'invoice.paid'>)
    // A flagged subscription grants no credits. They wait until a sync removes the flag.
    if (!isFlagged && identities.some((each) => own.has(each))) parts.push('plan_credits')
  }
  if (handles(ctx, effect.name)) parts.push('handler')
  return parts
}

function namesTaken(ctx: BillingContext): string[] {
  const names = new Set(Object.keys(ctx.effects))
  if (Object.values(ctx.plans).some(({ credits }) => credits !== undefined))
    names.add('invoice.paid')
  return [...names]
}
