/** @jsxRuntime automatic */
/** @jsxImportSource react */

import * as z from 'zod'
import { Action, Layout, Paragraph } from '../components/index.ts'
import { amount, currency, defineEmail, label, link } from '../define.ts'
import { day, money } from '../format.ts'
import { hello, words } from '../words.ts'

/** Sent when the payment of a plan failed. */
export const PaymentFailedEmail = defineEmail({
  schema: z.object({
    /** The recipient's name. */
    name: words(),
    /** The plan's name, as people read it. */
    planName: label(),
    /** The amount due, in minor units. */
    amount: amount(),
    /** Lower case, such as `eur`. */
    currency: currency(),
    /** The page on which the card is changed. */
    updateUrl: link(),
    /** The time of the next attempt. Absent if there is none. */
    nextAttemptAt: z.coerce.date().optional(),
  }),
  subject: ({ planName }) => `Your payment for ${planName} did not go through`,
  component: ({ name, planName, amount, currency, updateUrl, nextAttemptAt }) => (
    <Layout
      title="Your payment did not go through"
      preview={`${money(amount, currency)} for ${planName} could not be charged.`}
      footer="You get this because a payment for your account failed."
    >
      <Paragraph>
        {hello(name)} we could not charge {money(amount, currency)} for {planName}.
      </Paragraph>
      <Paragraph>
        {nextAttemptAt
          ? `We try again on ${day(nextAttemptAt)}. Please check your card before then.`
          : 'Please check your card to keep your plan.'}
      </Paragraph>
      <Action href={updateUrl}>Check my card</Action>
    </Layout>
  ),
  preview: {
    name: 'Ada',
    planName: 'Pro',
    amount: 2900,
    currency: 'usd',
    updateUrl: 'https://example.com/billing',
    nextAttemptAt: '2026-02-04T00:00:00Z',
  },
})
