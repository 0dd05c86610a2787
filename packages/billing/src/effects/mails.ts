/**
 * The mails of effects. `MAILS` has one entry for each fact that is mailed: what the job keeps of the fact, and the
 * mail's template and props. The job is queued in the effect's transaction, and the mail's idempotency key is the
 * effect's key.
 *
 * @module
 */

import { defineJob, isTollgateError, type JobDefinition } from '@repo/core'
import type { BuiltInEmails, EmailProps } from '@repo/email'
import * as z from 'zod'
import { type SoldRow, soldAs } from '../catalog/sold.ts'
import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'
import { returnUrl } from '../return-url.ts'
import { inWords, lackingIn } from './declarations.ts'
import type { Effect, EffectName } from './facts.ts'

/** No confirmation is sent for an older subscription, which may come from an import. */
const MAX_AGE_MS = 7 * 24 * 60 * 60 * 1000

/** A template with its props. */
type Letter = {
  [Name in keyof BuiltInEmails]: { template: Name; props: EmailProps<BuiltInEmails, Name> }
}[keyof BuiltInEmails]

/** The owner of a fact's subscription, who gets the mail, with what the mail can say. */
type About = NonNullable<Awaited<ReturnType<typeof recipient>>> & { manageUrl: string; now: Date }

interface Payload {
  /** Null: the fact is about no subscription, and no mail is sent. */
  subscriptionId: string | null
}

interface FactMail<P extends Payload = Payload> {
  /** What the job keeps of the fact's payload: ids, amounts and dates, and no address. */
  payload: z.ZodType<P>
  /** Whether the fact of this key is mailed. Default: it is. */
  isMailed?: (key: string) => boolean
  /** The mail as it reads when the job runs. Null: it is no longer sent. */
  letter(payload: P, about: About): Letter | null
}

const factMail = <P extends Payload>(mail: FactMail<P>): FactMail => mail as unknown as FactMail

const MAILS: { readonly [Name in EffectName]?: FactMail } = {
  'subscription.activated': factMail({
    payload: z.object({ subscriptionId: z.string() }),
    // A restored subscription has another key, so that no second confirmation is sent.
    isMailed: (key) => key.endsWith(':activated'),
    letter(_, { owner, planName, sold, subscription, manageUrl, now }) {
      if (now.getTime() - subscription.createdAt.getTime() > MAX_AGE_MS) return null
      const { quantity, currentPeriodEnd, trialEnd, status } = subscription
      return {
        template: 'SubscriptionConfirmedEmail',
        props: {
          name: owner.name,
          planName,
          amount: (sold.amount ?? 0) * quantity,
          currency: sold.currency,
          interval: sold.interval,
          currentPeriodEnd,
          ...(status === 'trialing' && trialEnd ? { trialEnd } : {}),
          manageUrl,
        },
      }
    },
  }),
  'invoice.payment_failed': factMail({
    payload: z.object({
      subscriptionId: z.string().nullable(),
      amount: z.number(),
      currency: z.string(),
      nextPaymentAttempt: z.string().nullable(),
    }),
    letter: ({ amount, currency, nextPaymentAttempt }, { owner, planName, manageUrl }) => ({
      template: 'PaymentFailedEmail',
      props: {
        name: owner.name,
        planName,
        amount,
        currency,
        updateUrl: manageUrl,
        ...(nextPaymentAttempt ? { nextAttemptAt: new Date(nextPaymentAttempt) } : {}),
      },
    }),
  }),
}

/** The mail of a fact. Undefined: the fact has none. */
const mailOf = (name: string): FactMail | undefined =>
  Object.hasOwn(MAILS, name) ? MAILS[name as EffectName] : undefined

/** Whether an effect is mailed. */
export function isMailed({ key, name }: Pick<Effect, 'key' | 'name'>): boolean {
  const mail = mailOf(name)
  return mail !== undefined && (mail.isMailed?.(key) ?? true)
}

const queued = z
  .object({ key: z.string(), name: z.string(), payload: z.unknown() })
  .transform(({ key, name, payload }, check) => {
    const mail = mailOf(name)
    if (mail) return { key, name, payload: mail.payload.parse(payload) }
    check.addIssue({
      code: 'custom',
      path: ['name'],
      message: 'must be the name of a fact with a mail',
    })
    return z.NEVER
  })

/** Sends one mail. The job holds no address: the recipient is looked up when it runs. */
export const mailJob = (ctx: BillingContext): JobDefinition<object> =>
  defineJob<object>({
    name: 'billing.mail',
    parse: (payload) => queued.parse(payload),
    run: (payload) => send(ctx, payload as z.output<typeof queued>),
  })

async function send(
  ctx: BillingContext,
  { key, name, payload }: z.output<typeof queued>,
): Promise<void> {
  const facts = await recipient(ctx, payload.subscriptionId)
  if (!facts) return
  const manageUrl = returnUrl(ctx.appUrl, ctx.pages.billing)
  const letter = mailOf(name)?.letter(payload, { ...facts, manageUrl, now: ctx.clock.now() })
  if (!letter) return
  const { template, props } = letter
  const { email, locale = null } = facts.owner
  try {
    // The compiler has checked the props beside their template's name.
    await ctx.sender.sendEmail(template, email, props as never, { idempotencyKey: key, locale })
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
