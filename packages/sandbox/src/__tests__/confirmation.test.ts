/** How an intent is confirmed: where the buyer is sent back to, and who is asked. */

import { expect, test } from 'vitest'
import { NEW, OLD, type Running, SUCCESS, start, typesOf } from './harness.ts'

const asking = async (running: Running, more: object = {}) => {
  const stripe = running.client(NEW)
  const { id } = await stripe.paymentIntents.create({ amount: 2500, currency: 'usd' })
  const payment_method = 'pm_card_authenticationRequired'
  return stripe.paymentIntents.confirm(id, { payment_method, ...more })
}

test.each([OLD, NEW])(
  'in %s a confirmation with automatic methods says where to return',
  async (version) => {
    const running = await start()
    const stripe = running.client(version)
    const { id } = await stripe.paymentIntents.create({ amount: 500, currency: 'usd' })
    const before = typesOf(running).length
    // Also of a method that does not redirect: it is asked of the intent.
    const unsaid = stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa' })
    await expect(unsaid).rejects.toMatchObject({
      statusCode: 400,
      type: 'StripeInvalidRequestError',
      param: 'return_url',
    })
    const created = stripe.paymentIntents.create({
      amount: 500,
      currency: 'usd',
      payment_method: 'pm_card_visa',
      confirm: true,
      off_session: true,
    })
    await expect(created).rejects.toMatchObject({ statusCode: 400, param: 'return_url' })
    expect(typesOf(running)).toHaveLength(before)
    const confirm = { payment_method: 'pm_card_visa', return_url: SUCCESS }
    expect((await stripe.paymentIntents.confirm(id, confirm)).status).toBe('succeeded')
  },
)

test('an intent that takes no redirects needs no address', async () => {
  const stripe = (await start()).client()
  const terms = { amount: 500, currency: 'usd', payment_method: 'pm_card_visa', confirm: true }
  const never = { enabled: true, allow_redirects: 'never' } as const
  const one = await stripe.paymentIntents.create({ ...terms, automatic_payment_methods: never })
  const types = { payment_method_types: ['card'] } as object
  const other = await stripe.paymentIntents.create({ ...terms, ...types })
  expect([one.status, other.status]).toEqual(['succeeded', 'succeeded'])
})

test('what says how to confirm is refused where nothing is confirmed', async () => {
  const stripe = (await start()).client()
  for (const more of [{ return_url: SUCCESS }, { off_session: true }]) {
    const made = stripe.paymentIntents.create({ amount: 500, currency: 'usd', ...more })
    await expect(made).rejects.toMatchObject({ statusCode: 400, param: Object.keys(more)[0] })
  }
})

test('the buyer answers the bank on its page and comes back with the outcome', async () => {
  for (const outcome of ['succeeded', 'failed'] as const) {
    const running = await start()
    const asked = await asking(running, { return_url: 'http://localhost:3000/done?order=1' })
    expect(asked).toMatchObject({
      status: 'requires_action',
      next_action: {
        type: 'redirect_to_url',
        redirect_to_url: { return_url: 'http://localhost:3000/done?order=1' },
      },
    })
    const url = asked.next_action?.redirect_to_url?.url as string
    expect(await (await fetch(url)).text()).toContain('Your bank asks you')
    const answered = await running.post(url, { outcome })
    const back = new URL(answered.headers.get('location') ?? '')
    expect(Object.fromEntries(back.searchParams)).toEqual({
      order: '1',
      payment_intent: asked.id,
      payment_intent_client_secret: asked.client_secret,
      redirect_status: outcome,
    })
    const status = outcome === 'succeeded' ? 'succeeded' : 'requires_payment_method'
    const intent = await running.client(NEW).paymentIntents.retrieve(asked.id)
    expect(intent).toMatchObject({ status, next_action: null })
    expect((await running.post(url, { outcome })).status).toBe(404)
  }
})

test('where the script in the browser asks the buyer, there is no page', async () => {
  const running = await start()
  const asked = await asking(running, { return_url: SUCCESS, use_stripe_sdk: true })
  expect(asked.next_action?.type).toBe('use_stripe_sdk')
})

test('an error in the place of the buyer is the answer where it is asked for', async () => {
  const running = await start()
  const refused = asking(running, { return_url: SUCCESS, error_on_requires_action: true })
  await expect(refused).rejects.toMatchObject({
    statusCode: 402,
    code: 'authentication_required',
    payment_intent: { status: 'requires_payment_method' },
  })
})
