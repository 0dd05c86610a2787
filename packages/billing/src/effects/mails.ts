/**
 * Sends the mails of effects as a job. The job is queued in the effect's transaction, and the mail's
 * idempotency key is the effect's key.
 *
 * @module
 */

import { defineJob, isTollgateError, type JobDefinition } from '@repo/core'
import * as z from 'zod'
import { type SoldRow, soldAs } from '../catalog/sold.ts'
import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'
import { inWords, lackingIn } from './declarations.ts'

/** No confirmation is sent for an older subscription, which may come from an import. */
const MAX_AGE_MS = 7 * 24 * 60 * 60 * 1000

const mail = z.discriminatedUnion('name', [
  z.object({
    key: z.string(),
    name: z.literal('subscription.activated'),
    payload: z.object({ subscriptionId: z.string() }),
  }),
  z.object({
    key: z.string(),
    name: z.literal('invoice.payment_failed'),
    payload: z.object({
      subscriptionId: z.string().nullable(),
      amount: z.number(),
      currency: z.string(),
      nextPaymentAttempt: z.string().nullable(),
    }),
  }),
])

type Mail = z.output<typeof mail>

/** Sends one mail. The job holds no address: the recipient is looked up when it runs. */
export const mailJob = (ctx: BillingContext): JobDefinition<object> =>
  defineJob<object>({
    name: 'billing.mail',
    parse: (payload) => mail.parse(payload),
    run: (payload) => send(ctx, payload as Mail),
  })

async function send(ctx: BillingContext, { key, name, payload }: Mail): Promise<void> {
  const facts = await recipient(ctx, payload.subscriptionId)
  if (!facts) return
  const { owner, planName, sold, subscription } = facts
  const manageUrl = new URL('/billing', ctx.appUrl).href
  try {
    if (name === 'subscription.activated') {
      if (ctx.clock.now().getTime() - subscription.createdAt.getTime() > MAX_AGE_MS) return
      const { quantity, currentPeriodEnd, trialEnd, status } = subscription
      await ctx.sender.sendEmail(
        'SubscriptionConfirmedEmail',
        owner.email,
        {
          name: owner.name,
          planName,
          amount: (sold.amount ?? 0) * quantity,
          currency: sold.currency,
          interval: sold.interval,
          currentPeriodEnd,
          ...(status === 'trialing' && trialEnd ? { trialEnd } : {}),
          manageUrl,
        },
        { idempotencyKey: key },
      )
      return
    }
    const { amount, currency, nextPaymentAttempt } = payload
    await ctx.sender.sendEmail(
      'PaymentFailedEmail',
      owner.email,
      {
        name: owner.name,
        planName,
        amount,
        currency,
        updateUrl: manageUrl,
        ...(nextPaymentAttempt ? { nextAttemptAt: new Date(nextPaymentAttempt) } : {}),
      },
      { idempotencyKey: key },
    )
  } catch (error) {
    // A mail with this key was already sent, with the content of that time.
    if (!isTollgateError(error, 'idempotency_conflict')) throw error
  }
}

/**
 * Throws if another instance has declared the subscription's plan, so that a worker of that instance sends
 * the mail.
 */
async function requireNotElsewhere(ctx: BillingContext, row: SoldRow): Promise<void> {
  const { lookupKey = null, product } = row.price ?? {}
  const names = [`price:${lookupKey}`, `plan:${product?.plan}`, `product:${row.sku}`]
  const lacking = await lackingIn(ctx)
  const name = names.find((each) => lacking.includes(each))
  if (name)
    throw new BillingError(
      'other_instance',
      `This instance of billing lacks ${inWords([name])}. Run the job with the host's own instance.`,
    )
}

/**
 * The recipient and the content of a mail about a subscription. Null: the subscription, its owner or its plan
 * no longer exists.
 */
async function recipient(ctx: BillingContext, subscriptionId: string | null) {
  if (!subscriptionId) return null
  const subscription = await ctx.db.subscription.findUnique({
    where: { id: subscriptionId },
    include: { price: { include: { product: true } }, customer: true },
  })
  if (!subscription) return null
  const owner = await ctx.owner(subscription.customer.ownerId)
  if (!owner) return null
  const sold = soldAs(ctx, subscription)
  if (!sold) {
    await requireNotElsewhere(ctx, subscription)
    ctx.logger.warn(
      { subscriptionId },
      'no mail was sent, because the price of the subscription belongs to no plan',
    )
    return null
  }
  return { subscription, sold, owner, planName: ctx.plans[sold.plan]?.name ?? sold.plan }
}
