/** Mails about a subscription are in the language of their reader. */

import { builtInEmails, createSender } from '@repo/email'
import { createOutbox } from '@repo/email/testing'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createHarness, type Harness } from './harness.ts'

const outbox = createOutbox()
const { SubscriptionConfirmedEmail, PaymentFailedEmail } = builtInEmails
const sender = createSender({
  transport: outbox.transport,
  translations: {
    de: {
      SubscriptionConfirmedEmail: { ...SubscriptionConfirmedEmail, subject: () => 'Bestätigt' },
      PaymentFailedEmail: { ...PaymentFailedEmail, subject: () => 'Fehlgeschlagen' },
    },
  },
})

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'), { settings: { sender } })
})
afterAll(() => h.close())

test.each([
  ['de-AT', 'Bestätigt', 'Fehlgeschlagen'],
  [null, /Pro/i, /payment/i],
])('a user with the locale %s gets both mails in it', async (locale, confirmed, failed) => {
  const { ownerId, subscriptionId } = await h.subscriber()
  await h.db.user.update({ where: { id: ownerId }, data: { locale } })
  await h.work()
  expect(outbox.last('SubscriptionConfirmedEmail').subject).toMatch(confirmed)
  h.sandbox.stripe.failPayment(subscriptionId)
  await h.deliverAll()
  expect(outbox.last('PaymentFailedEmail').subject).toMatch(failed)
})
