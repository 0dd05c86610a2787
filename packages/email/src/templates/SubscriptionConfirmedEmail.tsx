/** @jsxRuntime automatic */
/** @jsxImportSource react */

import * as z from 'zod'
import { Action, Layout, Paragraph } from '../components/index.ts'
import { amount, currency, defineEmail, label, link } from '../define.ts'
import { day, money } from '../format.ts'
import { words } from '../words.ts'

/** Sent when a subscription has become active or its trial has started. */
export const SubscriptionConfirmedEmail = defineEmail({
  schema: z.object({
    /** The recipient's name. */
    name: words(),
    /** The plan's name, as people read it. */
    planName: label(),
    /** The price per interval, in minor units. */
    amount: amount(),
    /** Lower case, such as `eur`. */
    currency: currency(),
    /** How often the subscription renews. */
    interval: z.enum(['month', 'year']),
    /** When the period that is paid for ends. */
    currentPeriodEnd: z.coerce.date(),
    /** The end of the trial, when the first payment is due. Absent without a trial. */
    trialEnd: z.coerce.date().optional(),
    /** The page on which the subscription is managed. */
    manageUrl: link(),
  }),
  subject: ({ planName }) => `Your ${planName} plan is active`,
  component: ({
    name,
    planName,
    amount,
    currency,
    interval,
    currentPeriodEnd,
    trialEnd,
    manageUrl,
  }) => (
    <Layout
      title={`Your ${planName} plan is active`}
      preview={`${planName}, ${money(amount, currency)} per ${interval}.`}
      footer="You get this because a plan was bought for your account."
    >
      <Paragraph>
        {name ? `Thank you, ${name}.` : 'Thank you.'} {planName} costs {money(amount, currency)} per{' '}
        {interval}.
      </Paragraph>
      <Paragraph>
        {trialEnd
          ? `The trial is free; the first payment is due on ${day(trialEnd)}.`
          : `It renews on ${day(currentPeriodEnd)}.`}
      </Paragraph>
      <Action href={manageUrl}>Manage billing</Action>
    </Layout>
  ),
  preview: {
    name: 'Ada',
    planName: 'Pro',
    amount: 2900,
    currency: 'usd',
    interval: 'month',
    currentPeriodEnd: '2026-02-01T00:00:00Z',
    manageUrl: 'https://example.com/billing',
  },
})
