/** The controls over HTTP: buttons for a person, JSON for a process, and clear refusals. */

import { expect, test } from 'vitest'
import { SECRET, start, startReceiver, subscribe, typesOf } from './harness.ts'

type Running = Awaited<ReturnType<typeof start>>

/** Uses a control as a process does. */
async function control(running: Running, name: string, body: unknown = {}) {
  const answer = await fetch(`${running.url}/controls/stripe/${name}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
}

const newestPayment = async (running: Running) =>
  (await running.client().paymentIntents.list({ limit: 1 })).data[0] as {
    id: string
    amount: number
  }

test('a process lets a month pass, a card fail, and money go back', async () => {
  const running = await start()
  const { subscription } = await subscribe(running.client())
  const { body: before } = await control(running, 'renew', { subscription: subscription.id })
  const renewed = await control(running, 'renew', { subscription: subscription.id })
  expect(renewed).toMatchObject({ status: 200, body: { id: subscription.id, status: 'active' } })
  expect(renewed.body.current_period_end).toBeGreaterThan(before.current_period_end as number)

  const payment = await newestPayment(running)
  const part = await control(running, 'refund', { payment: payment.id, amount: 1 })
  expect(part).toMatchObject({ status: 200, body: { object: 'refund', amount: 1 } })
  const rest = await control(running, 'refund', { payment: payment.id })
  expect(rest.body).toMatchObject({ amount: payment.amount - 1 })
  expect((await control(running, 'refund', { payment: payment.id })).status).toBe(400)

  const failed = await control(running, 'fail_payment', { subscription: subscription.id })
  expect(failed.body).toMatchObject({ object: 'invoice', status: 'open' })
  expect((await running.client().subscriptions.retrieve(subscription.id)).status).toBe('past_due')
  expect((await control(running, 'end', { subscription: subscription.id })).status).toBe(200)
  expect(typesOf(running)).toContain('customer.subscription.deleted')
})

test('a dispute is opened and closed, and an event is sent twice or held back', async () => {
  const receiver = await startReceiver()
  const running = await start({ stripe: { webhooks: [{ url: receiver.url, secret: SECRET }] } })
  await subscribe(running.client())
  await running.sandbox.stripe.settled()
  const { id } = await newestPayment(running)
  const { body: dispute } = await control(running, 'dispute', { payment: id })
  expect(dispute).toMatchObject({ object: 'dispute', status: 'needs_response' })
  const closed = await control(running, 'close_dispute', { dispute: dispute.id, status: 'won' })
  expect(closed.body).toMatchObject({ status: 'won' })
  await running.sandbox.stripe.settled()

  const sent = receiver.received.length
  const event = running.sandbox.stripe.events[0]?.id as string
  expect((await control(running, 'send_again', { event, times: 2 })).body).toEqual({ sent: 2 })
  expect(receiver.received.length).toBe(sent + 2)

  await control(running, 'hold')
  await running.client().customers.create({ name: 'Ada' })
  expect(receiver.received.length).toBe(sent + 2)
  await control(running, 'let_go')
  await running.sandbox.stripe.settled()
  expect(receiver.received.length).toBe(sent + 3)
})

test('the front page has the buttons, and a person is led back to it', async () => {
  const running = await start()
  const { subscription } = await subscribe(running.client())
  const page = await (await fetch(running.url)).text()
  for (const label of ['A period passes', 'The card fails', 'Refund', 'Dispute']) {
    expect(page).toContain(label)
  }
  const form = { subscription: subscription.id }
  const answer = await running.post('/controls/stripe/renew', form)
  expect([answer.status, answer.headers.get('location')]).toEqual([303, '/'])
  const foreign = await running.post('/controls/stripe/renew', form, 'http://evil.example')
  expect(foreign.status).toBe(403)
})

test.each([
  { name: 'rewind', body: {}, status: 404, says: 'renew, fail_payment' },
  { name: 'constructor', body: {}, status: 404, says: 'no control' },
  { name: 'renew', body: {}, status: 400, says: 'subscription must be the id' },
  { name: 'renew', body: { subscription: 7 }, status: 400, says: 'subscription must be the id' },
  { name: 'renew', body: { subscription: 'sub_none' }, status: 404, says: 'sub_none' },
  { name: 'refund', body: { payment: 'pi_x', amount: -1 }, status: 400, says: 'above 0' },
  {
    name: 'close_dispute',
    body: { dispute: 'du_x', status: 'maybe' },
    status: 400,
    says: 'lost, won',
  },
  { name: 'renew', body: '[]', status: 400, says: 'JSON object' },
  { name: 'renew', body: '{', status: 400, says: 'JSON object' },
])(
  '$name with $body is refused with $status and changes nothing',
  async ({ name, body, status, says }) => {
    const running = await start()
    await subscribe(running.client())
    const events = running.sandbox.stripe.events.length
    const answer = await control(running, name, body)
    expect(answer).toMatchObject({
      status,
      body: { error: { message: expect.stringContaining(says) } },
    })
    expect(running.sandbox.stripe.events.length).toBe(events)
  },
)
