/**
 * Recording effects, and doing what they set off. An effect happens in the transaction that records it, once
 * under its key; what has to leave the process is queued there as a job.
 *
 * An effect has two parts: the host's handler, and for a paid invoice the credits of its plan. What another
 * instance has declared and this one lacks is not done here and not recorded as done: it stays in `awaits`,
 * and an instance that has it does it (`waiting.ts`).
 *
 * @module
 */

import type { Customer, Db } from '@repo/db'
import { enqueue } from '@repo/jobs'
import type { BillingContext } from '../context.ts'
import { grantPlanCredits } from '../credits/plan-credits.ts'
import { DECLARED_DAYS, declarationsOf } from './declarations.ts'
import type { Effect, Fact } from './facts.ts'
import { inEffect } from './in-effect.ts'
import { mailJob } from './mails.ts'

/** A part of an effect. */
export type EffectPart = 'handler' | 'plan_credits'

export interface TakenEffects {
  /** Those that were new. */
  taken: Effect[]
  /** Keys of those whose handler threw: not recorded, tried again by the next sync. */
  failed: string[]
}

export interface TakeOptions {
  /** Facts that are recorded and tell nothing: of the past. A plan's credits of the present month are given. */
  isSilent?: (fact: Fact) => boolean
  /** Whether a subscription whose end is told has begun, though its beginning is not recorded. Default: it has not. */
  hasBegun?: (ended: Fact) => boolean
}

/**
 * Records the facts that are new, and does what each sets off. The end of a subscription is a fact only where its
 * beginning was one.
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
  // The declarations are read once, whatever the number of rows.
  const added = await tx.$queryRaw<{ key: string; declared: string[] | null }[]>`
    INSERT INTO "Effect" ("key", "customerId", "name", "payload", "handled")
    SELECT "key", "customerId", "name", "payload", "handled"
    FROM jsonb_populate_recordset(NULL::"Effect", ${JSON.stringify(rows)}::jsonb)
    ON CONFLICT ("key") DO NOTHING RETURNING "key", (
      SELECT array_agg("kind" || ':' || "name") FROM "BillingDeclaration"
      WHERE "kind" IN ('effect', 'plan_credits')
        AND "seenAt" > clock_timestamp() - ${DECLARED_DAYS} * interval '1 day'
    ) AS "declared"`
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

/** The facts, but for the end of a subscription that was never activated. */
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

/** Does a new effect but for what awaits another instance; false, and no row, where its handler throws. */
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
    ctx.logger.warn({ key: effect.key, awaits }, 'effect waits for the instance that takes it')
  }
  if (!isSilent && isMailed(effect)) {
    await enqueue(tx, mailJob(ctx), effect)
  }
  return true
}

/** A subscription that a person has brought back is activated anew, without a second confirmation. */
const isMailed = ({ key, name }: Effect): boolean =>
  (name === 'subscription.activated' && key.endsWith(':activated')) ||
  name === 'invoice.payment_failed'

/** Whether the instance has a handler for effects of this name. */
export const handles = (ctx: BillingContext, name: string): boolean =>
  Reflect.get(ctx.effects, name) !== undefined

/** The parts of an effect that this instance does, but for `without`. */
function partsOf(ctx: BillingContext, effect: Effect, without: EffectPart[]): EffectPart[] {
  const parts: EffectPart[] = []
  if (mayGiveCredits(ctx, effect)) parts.push('plan_credits')
  if (handles(ctx, effect.name)) parts.push('handler')
  return parts.filter((part) => !without.includes(part))
}

/** Whether credits of a plan may come with it. Without the plan's name any plan with credits may be meant. */
function mayGiveCredits({ plans }: BillingContext, effect: Effect): boolean {
  if (effect.name !== 'invoice.paid') return false
  const { plan } = (effect as Effect<'invoice.paid'>).payload
  const named = plan === null ? Object.values(plans) : [plans[plan]]
  return named.some((each) => each?.credits !== undefined)
}

/** The parts of an effect that others have declared, as `<kind>:<name>`, and that this instance lacks. */
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

/** What the invoice's subscription is sold by, as it is declared where its plan gives credits. */
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

/** Does parts of an effect together: all of them, or none and false. The credits come before the host. */
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
    ctx.logger.error({ key: effect.key, error }, 'effect failed, will be tried again')
    return false
  }
}
