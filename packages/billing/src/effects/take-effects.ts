/**
 * Records effects and runs what they set off. An effect happens once for its key, in the transaction that
 * records it. Mails and other requests are queued there as jobs.
 *
 * An effect has two parts: the host's handler and, for a paid invoice, the credits of its plan. A part that
 * another instance has declared and this instance lacks is not done here. It stays in `awaits` until an
 * instance that has it does it (`waiting.ts`).
 *
 * @module
 */

import { type Customer, type Db, Prisma, queryNamed } from '@repo/db'
import { enqueue } from '@repo/jobs/queue'
import type { BillingContext } from '../context.ts'
import { grantPlanCredits } from '../credits/plan-credits.ts'
import { DECLARED_DAYS, declarationsOf } from './declarations.ts'
import type { Effect, Fact } from './facts.ts'
import { inEffect } from './in-effect.ts'
import { isMailed, mailJob } from './mails.ts'

/** A part of an effect. */
export type EffectPart = 'handler' | 'plan_credits'

/** The result of `takeEffects`. */
export interface TakenEffects {
  /** Effects that were new. */
  taken: Effect[]
  /** Keys of effects whose handler threw. They are not recorded, and the next sync tries them again. */
  failed: string[]
}

/** Exceptions for facts of the past. */
export interface TakeOptions {
  /**
   * Selects past facts, which are recorded without handlers and mails. A plan's credits of the current month
   * are granted all the same.
   */
  isSilent?: (fact: Fact) => boolean
  /** Whether an ended subscription was active although no such fact is recorded. Default: it was not. */
  hasBegun?: (ended: Fact) => boolean
}

/**
 * Records the new facts and runs their effects. The end of a subscription is a fact only if its activation
 * was one.
 */
export async function takeEffects(
  ctx: BillingContext,
  tx: Db,
  customer: Pick<Customer, 'id' | 'ownerId'>,
  all: Fact[],
  { isSilent = () => false, hasBegun = () => false }: TakeOptions = {},
): Promise<TakenEffects> {
  const result: TakenEffects = { taken: [], failed: [] }
  const facts = await withoutUnbegun(tx, all, hasBegun)
  if (facts.length === 0) return result
  const { id: customerId, ownerId } = customer
  const silent = new Set(facts.filter(isSilent).map(({ key }) => key))
  const rows = facts.map(({ key, name, payload }) => ({
    ...{ key, name, payload, customerId },
    handled: handles(ctx, name) && !silent.has(key),
  }))
  // The subquery of the declarations runs once, whatever the number of rows.
  const sql = Prisma.sql`
    INSERT INTO "Effect" ("key", "customerId", "name", "payload", "handled")
    SELECT "key", "customerId", "name", "payload", "handled"
    FROM jsonb_populate_recordset(NULL::"Effect", ${JSON.stringify(rows)}::jsonb)
    ON CONFLICT ("key") DO NOTHING RETURNING "key", (
      SELECT array_agg("kind" || ':' || "name") FROM "BillingDeclaration"
      WHERE "kind" IN ('effect', 'plan_credits')
        AND "seenAt" > clock_timestamp() - ${DECLARED_DAYS} * interval '1 day'
    ) AS "declared"`
  const added = await queryNamed<{ key: string; declared: string[] | null }>(
    tx,
    'record_effects',
    sql,
  )
  const declared = new Map(added.map((row) => [row.key, row.declared ?? []]))
  for (const fact of facts) {
    const elsewhere = declared.get(fact.key)
    if (elsewhere === undefined) continue
    const { key, name, payload } = fact
    const effect = { key, name, payload, customerId, ownerId } as Effect
    const lacking = await partsFor(ctx, tx, effect, elsewhere)
    const awaits = silent.has(key) ? lacking.filter((part) => part !== 'handler') : lacking
    if (await take(ctx, tx, effect, awaits, silent.has(key))) result.taken.push(effect)
    else result.failed.push(effect.key)
  }
  return result
}

/** The facts without the ends of subscriptions that were never activated. */
async function withoutUnbegun(
  tx: Db,
  facts: Fact[],
  hasBegun: (ended: Fact) => boolean,
): Promise<Fact[]> {
  const begins = facts.flatMap(({ key, name }) =>
    name === 'subscription.ended' ? beginOf(key) : [],
  )
  if (begins.length === 0) return facts
  const rows = await tx.effect.findMany({ where: { key: { in: begins } }, select: { key: true } })
  const begun = new Set(rows.map(({ key }) => key))
  return facts.filter(
    (fact) => fact.name !== 'subscription.ended' || begun.has(beginOf(fact.key)) || hasBegun(fact),
  )
}

const beginOf = (endedKey: string): string => endedKey.replace(/:ended$/, ':activated')

/** Runs a new effect, except the parts in `awaits`. If its handler throws, deletes its row and returns false. */
async function take(
  ctx: BillingContext,
  tx: Db,
  effect: Effect,
  awaits: EffectPart[],
  isSilent: boolean,
): Promise<boolean> {
  const left: EffectPart[] = isSilent ? ['handler', ...awaits] : awaits
  if (!(await doParts(ctx, tx, effect, partsOf(ctx, effect, left)))) {
    await tx.$executeRaw`DELETE FROM "Effect" WHERE "key" = ${effect.key}`
    return false
  }
  if (awaits.length > 0) {
    await tx.effect.update({ where: { key: effect.key }, data: { awaits } })
    ctx.logger.warn(
      { key: effect.key, awaits },
      'the effect waits for an instance with its handler or plan credits',
    )
  }
  if (!isSilent && isMailed(effect)) {
    await enqueue(tx, mailJob(ctx), effect)
  }
  return true
}

/** Whether the instance has a handler for effects of this name. */
export const handles = (ctx: BillingContext, name: string): boolean =>
  Reflect.get(ctx.effects, name) !== undefined

/** The parts of an effect that this instance has, except `without`. */
function partsOf(ctx: BillingContext, effect: Effect, without: EffectPart[]): EffectPart[] {
  const parts: EffectPart[] = []
  if (mayGiveCredits(ctx, effect)) parts.push('plan_credits')
  if (handles(ctx, effect.name)) parts.push('handler')
  return parts.filter((part) => !without.includes(part))
}

/** Whether the effect may grant a plan's credits. If the plan is unknown, any plan with credits may be meant. */
function mayGiveCredits({ plans }: BillingContext, effect: Effect): boolean {
  if (effect.name !== 'invoice.paid') return false
  const { plan } = (effect as Effect<'invoice.paid'>).payload
  const named = plan === null ? Object.values(plans) : [plans[plan]]
  return named.some((each) => each?.credits !== undefined)
}

/**
 * The parts of an effect that other instances have declared and this instance lacks. `declared` contains
 * `<kind>:<name>`.
 */
async function partsFor(
  ctx: BillingContext,
  tx: Db,
  effect: Effect,
  declared: readonly string[],
): Promise<EffectPart[]> {
  const own = declarationsOf(ctx)
  const lacking = declared.filter((each) => !own.has(each))
  const parts: EffectPart[] = lacking.includes(`effect:${effect.name}`) ? ['handler'] : []
  if (effect.name === 'invoice.paid' && lacking.some((each) => each.startsWith('plan_credits:'))) {
    const { identities } = await soldBy(tx, effect as Effect<'invoice.paid'>)
    if (identities.some((each) => lacking.includes(each))) parts.push('plan_credits')
  }
  return parts
}

/**
 * The declarations of `plan_credits` that match the invoice's subscription, and whether the subscription is
 * flagged.
 */
export async function soldBy(
  tx: Db,
  { payload }: Effect<'invoice.paid'>,
): Promise<{ identities: string[]; isFlagged: boolean }> {
  const { subscriptionId } = payload
  const subscription =
    subscriptionId === null
      ? null
      : await tx.subscription.findUnique({
          where: { id: subscriptionId },
          select: {
            sku: true,
            needsAttention: true,
            price: { select: { lookupKey: true, product: { select: { plan: true } } } },
          },
        })
  const { sku, price } = subscription ?? {}
  const identities = [
    ...(sku ? [`sku:${sku}`] : []),
    ...(price?.lookupKey ? [`price:${price.lookupKey}`] : []),
    ...(price?.product.plan ? [`plan:${price.product.plan}`] : []),
  ].map((each) => `plan_credits:${each}`)
  return { identities, isFlagged: (subscription?.needsAttention ?? null) !== null }
}

/**
 * Runs parts of an effect, the credits before the handler. If one part throws, all are undone and false is
 * returned.
 */
export async function doParts(
  ctx: BillingContext,
  tx: Db,
  effect: Effect,
  parts: readonly EffectPart[],
): Promise<boolean> {
  if (parts.length === 0) return true
  const handler = Reflect.get(ctx.effects, effect.name) as
    | ((tx: Db, effect: Effect) => Promise<unknown>)
    | undefined
  await tx.$executeRaw`SAVEPOINT effect`
  try {
    if (parts.includes('plan_credits')) {
      await grantPlanCredits(ctx, tx, effect as Effect<'invoice.paid'>)
    }
    if (parts.includes('handler')) await inEffect(effect.key, async () => handler?.(tx, effect))
    await tx.$executeRaw`RELEASE SAVEPOINT effect`
    return true
  } catch (error) {
    await tx.$executeRaw`ROLLBACK TO SAVEPOINT effect`
    ctx.logger.error({ key: effect.key, error }, 'the effect failed and is tried again')
    return false
  }
}
