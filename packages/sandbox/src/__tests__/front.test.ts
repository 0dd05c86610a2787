/** The front page, and promises that only show where two parts meet. */

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createSandbox } from '../index.ts'
import { KEY, OLD, SECRET, start, startReceiver, subscribe, typesOf } from './harness.ts'

test('the front page says what became of each webhook and sends one again', async () => {
  const receiver = await startReceiver()
  const running = await start({ stripe: { webhooks: [{ url: receiver.url, secret: SECRET }] } })
  await running.client().customers.create({ name: '<b>Ada</b>' })
  await running.sandbox.stripe.settled()
  const page = await (await fetch(running.url)).text()
  expect(page).toContain('delivered (200, 1×)')
  expect(page).toContain('&lt;b&gt;Ada&lt;/b&gt;')
  expect(page).not.toContain('<b>Ada')

  const id = running.sandbox.stripe.events[0]?.id as string
  const foreign = await running.post(`/stripe/events/${id}/redeliver`, {}, 'http://evil.example')
  expect([foreign.status, receiver.received.length]).toEqual([403, 1])
  const again = await running.post(`/stripe/events/${id}/redeliver`, {})
  expect([again.status, receiver.received.length]).toEqual([303, 2])
})

test('subscriptions are listed by customer', async () => {
  const running = await start()
  const stripe = running.client()
  const { subscription, customer, price } = await subscribe(stripe)
  const other = await stripe.customers.create({})
  await stripe.subscriptions.create({
    customer: other.id,
    items: [{ price: price.id }],
    default_payment_method: 'pm_card_visa',
  })
  const { data } = await stripe.subscriptions.list({ customer: customer.id, status: 'all' })
  expect(data.map(({ id }) => id)).toEqual([subscription.id])
})

test('an ended subscription does not end twice', async () => {
  const running = await start()
  const { subscription } = await subscribe(running.client())
  running.sandbox.stripe.endSubscription(subscription.id)
  running.sandbox.stripe.endSubscription(subscription.id)
  const ends = typesOf(running).filter((type) => type === 'customer.subscription.deleted')
  expect(ends).toHaveLength(1)
})

test('what happens before the state file is read does not replace it', async () => {
  const root = await mkdtemp(join(tmpdir(), 'sandbox-front-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  const stateFile = join(root, 'state.json')
  const first = await start({ stateFile })
  const { customer } = await subscribe(first.client(OLD))
  await first.sandbox.stop()

  const second = createSandbox({ stripe: { secretKey: KEY }, stateFile })
  onTestFinished(() => second.stop())
  second.stripe.addWebhook({ url: 'http://127.0.0.1:1/', secret: SECRET })
  // A change that is still to be written is written by the stop.
  await second.stop()
  expect(await readFile(stateFile, 'utf8')).toContain(customer.id)
})
