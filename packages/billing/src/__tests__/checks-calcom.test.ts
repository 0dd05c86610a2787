/** `tollgate doctor`'s check of Cal.com's signatures: a handler that takes what it must refuse is found. */

import { afterEach, beforeEach, expect, inject, test, vi } from 'vitest'
import { calcomSignatureCheck } from '../checks/calcom-signature.ts'
import { createBilling } from '../index.ts'
import { CALCOM_SECRET } from './calcom-secret.ts'
import { createHarness, type Harness } from './harness.ts'

const RUN = { isLive: false, mayRehearse: false }

let h: Harness
beforeEach(async () => {
  h = await createHarness(inject('postgres'))
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await h.close()
})

async function result(settings: object, name: string) {
  const { checks, close } = await createBilling(settings).checks(RUN)
  const found = await checks.find(({ id }) => id === `billing.${name}`)?.run()
  await close?.()
  return found
}

test('a right signature is accepted once, wrong ones are refused, and no row remains', async () => {
  expect(await result(h.settings, 'calcom-signature')).toMatchObject({
    state: 'ok',
    says: 'Deliveries of Cal.com were refused where the signature was missing, of a webhook without a secret, made with another secret or of another body; one with the right signature was accepted, once.',
  })
  expect(await h.db.webhookEvent.count()).toBe(0)
})

test('a host without Cal.com is not asked for it, and wrong variables are named', async () => {
  const { calcom: _, ...rest } = h.settings
  expect(await result(rest, 'calcom-signature')).toMatchObject({
    state: 'skipped',
    says: 'Cal.com is not set up.',
  })
  vi.stubEnv('CALCOM_WEBHOOK_SECRET', 'short')
  expect(await result(rest, 'variables')).toMatchObject({
    state: 'failed',
    says: expect.stringMatching(/CALCOM_EVENT_TYPES is missing; CALCOM_WEBHOOK_SECRET: /),
  })
  expect(await result(rest, 'calcom-signature')).toMatchObject({ state: 'skipped' })
})

test.each([
  ['takes every delivery', async () => Response.json({ received: true }), /missing \(200\)/],
  [
    'checks only that there is a signature',
    async (req: Request) =>
      new Response(null, { status: req.headers.get('x-cal-signature-256') ? 200 : 400 }),
    /was of a webhook without a secret \(200\), made with another secret \(200\)/,
  ],
  ['fails', async () => new Response(null, { status: 500 }), /missing \(500\)/],
])('a handler that %s is found', async (_, handle, says) => {
  const check = calcomSignatureCheck(async () => ({
    secret: CALCOM_SECRET,
    canStore: true,
    handle,
  }))
  expect(await check.run()).toMatchObject({ state: 'failed', says: expect.stringMatching(says) })
})
