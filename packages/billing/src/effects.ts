/**
 * Effects: what a business fact sets off, once. The row is written with the fact, under a key made of
 * the fact and not of the event that told of it, so that the same fact told twice, or by another
 * event, sets it off once. What leaves the process is done after the commit and marked done; until
 * then every sync of the customer tries again, under the same idempotency key.
 *
 * @module
 */

import { isTollgateError } from '@repo/core'
import type { Db, Prisma } from '@repo/db'
import { z } from 'zod'
import type { BillingContext } from './context.ts'
import { planOfLookupKey } from './plans.ts'

export type EffectName = 'email.SubscriptionConfirmedEmail' | 'email.PaymentFailedEmail'

export interface NewEffect {
  /** Names the fact: `subscription:<id>:confirmed`. */
  key: string
  name: EffectName
  payload: Prisma.InputJsonObject
}

/** Adds those whose key is new. */
export async function recordEffects(
  tx: Db,
  customerId: string,
  effects: NewEffect[],
): Promise<void> {
  if (effects.length === 0) return
  await tx.effect.createMany({
    data: effects.map((effect) => ({ ...effect, customerId })),
    skipDuplicates: true,
  })
}

/** Does what the customer's effects still ask for. True when nothing is left. */
export async function runEffects(ctx: BillingContext, customerId: string): Promise<boolean> {
  const waiting = await ctx.db.effect.findMany({
    where: { customerId, doneAt: null },
    orderBy: { createdAt: 'asc' },
  })
  let complete = true
  for (const { key, name, payload } of waiting) {
    try {
      await ACTIONS[name as EffectName](ctx, key, payload).catch((error: unknown) => {
        // A mail under this key has gone out, worded by the facts of that moment.
        if (!isTollgateError(error, 'idempotency_conflict')) throw error
      })
      await ctx.db.effect.update({ where: { key }, data: { doneAt: new Date() } })
    } catch (error) {
      complete = false
      ctx.logger.error({ key, name, error }, 'effect failed, will be tried again')
    }
  }
  return complete
}

type Action = (ctx: BillingContext, key: string, payload: unknown) => Promise<void>

const ACTIONS: Record<EffectName, Action> = {
  'email.SubscriptionConfirmedEmail': sendConfirmation,
  'email.PaymentFailedEmail': sendPaymentFailed,
}

const confirmationPayload = z.object({ stripeSubscriptionId: z.string() })
const failurePayload = confirmationPayload.extend({
  amount: z.number(),
  currency: z.string(),
  nextAttemptAt: z.string().nullable(),
})

async function sendConfirmation(ctx: BillingContext, key: string, payload: unknown): Promise<void> {
  const facts = await recipient(ctx, confirmationPayload.parse(payload).stripeSubscriptionId)
  if (!facts) return
  const { owner, planName, subscription } = facts
  await ctx.sender.sendEmail(
    'SubscriptionConfirmedEmail',
    owner.email,
    {
      name: owner.name,
      planName,
      amount: (subscription.price.amount ?? 0) * subscription.quantity,
      currency: subscription.price.currency,
      interval: subscription.price.interval === 'year' ? 'year' : 'month',
      currentPeriodEnd: subscription.currentPeriodEnd,
      ...(subscription.trialEnd ? { trialEnd: subscription.trialEnd } : {}),
      manageUrl: new URL('/billing', ctx.appUrl).href,
    },
    { idempotencyKey: key },
  )
}

async function sendPaymentFailed(
  ctx: BillingContext,
  key: string,
  payload: unknown,
): Promise<void> {
  const failed = failurePayload.parse(payload)
  const facts = await recipient(ctx, failed.stripeSubscriptionId)
  if (!facts) return
  await ctx.sender.sendEmail(
    'PaymentFailedEmail',
    facts.owner.email,
    {
      name: facts.owner.name,
      planName: facts.planName,
      amount: failed.amount,
      currency: failed.currency,
      updateUrl: new URL('/billing', ctx.appUrl).href,
      ...(failed.nextAttemptAt ? { nextAttemptAt: new Date(failed.nextAttemptAt) } : {}),
    },
    { idempotencyKey: key },
  )
}

/** Whom to write to about a subscription; null if it or its owner is gone. */
async function recipient(ctx: BillingContext, stripeSubscriptionId: string) {
  const subscription = await ctx.db.subscription.findUnique({
    where: { stripeSubscriptionId },
    include: { price: true, customer: true },
  })
  if (!subscription) return null
  const owner = await ctx.owner(subscription.customer.ownerId)
  const plan = planOfLookupKey(ctx.plans, subscription.price.lookupKey)
  if (!owner || !plan) return null
  return { subscription, owner, planName: ctx.plans[plan.plan]?.name ?? plan.plan }
}
