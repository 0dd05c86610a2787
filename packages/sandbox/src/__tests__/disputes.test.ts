/** Disputes and inquiries: what a bank takes, gives back, and only asks about. */

import type Stripe from 'stripe'
import { expect, test } from 'vitest'
import { typesOf } from './harness.ts'
import { paid } from './paid.ts'

test.each([
  ['won', ['charge.dispute.closed', 'charge.dispute.funds_reinstated']],
  ['lost', ['charge.dispute.closed']],
] as const)('a dispute takes the money at once, and is %s', async (status, types) => {
  const { running, stripe, intent, charge } = await paid()
  const before = typesOf(running).length
  const opened = running.sandbox.stripe.dispute(charge, { amount: 400, reason: 'duplicate' })
  expect(opened).toMatchObject({
    object: 'dispute',
    amount: 400,
    reason: 'duplicate',
    charge,
    payment_intent: intent.id,
    status: 'needs_response',
  })
  expect(typesOf(running).slice(before)).toEqual([
    'charge.dispute.created',
    'charge.dispute.funds_withdrawn',
  ])
  expect(() => running.sandbox.stripe.dispute(intent.id)).toThrow('disputed already')
  await expect(stripe.refunds.create({ charge })).rejects.toMatchObject({
    code: 'charge_disputed',
  })

  const id = String(opened.id)
  expect(running.sandbox.stripe.closeDispute(id, status)).toMatchObject({ status })
  expect(typesOf(running).slice(before + 2)).toEqual(types)
  expect(() => running.sandbox.stripe.closeDispute(id, 'won')).toThrow(status)
  expect(await stripe.disputes.retrieve(id)).toMatchObject({ status })
  const listed = await stripe.disputes.list({ payment_intent: intent.id })
  expect(listed.data.map((one) => one.id)).toEqual([id])
  expect((await stripe.disputes.list({ charge: 'ch_none' })).data).toEqual([])
  const refund = () => stripe.refunds.create({ charge })
  if (status === 'won') expect((await refund()).amount).toBe(1000)
  else await expect(refund()).rejects.toThrow('charged back')
})

test('what was not paid, or less of it, cannot be disputed', async () => {
  const { running, stripe, charge } = await paid()
  const { dispute } = running.sandbox.stripe
  expect(() => dispute(charge, { amount: 1001 })).toThrow('cannot be disputed')
  expect(() => dispute('ch_none')).toThrow('No such charge')
  const open = await stripe.paymentIntents.create({ amount: 500, currency: 'usd' })
  expect(() => dispute(open.id)).toThrow('No such charge')
  const noted = await stripe.charges.update(charge, { description: 'seat' })
  expect((noted as Stripe.Charge).description).toBe('seat')
  expect(typesOf(running).slice(-2)).toEqual(['payment_intent.created', 'charge.updated'])
})

test('an inquiry takes no money, is closed, or becomes a dispute', async () => {
  const { running, stripe, charge } = await paid()
  const { dispute, closeDispute, escalateDispute } = running.sandbox.stripe
  const before = typesOf(running).length
  const first = dispute(charge, { status: 'warning_needs_response' })
  expect(first).toMatchObject({ is_charge_refundable: true, status: 'warning_needs_response' })
  expect(() => closeDispute(String(first.id), 'lost')).toThrow('cannot become lost')
  expect((await stripe.refunds.create({ charge, amount: 100 })).amount).toBe(100)
  expect(closeDispute(String(first.id), 'warning_closed')).toMatchObject({
    status: 'warning_closed',
  })
  const types = typesOf(running).slice(before)
  expect(types).not.toContain('charge.dispute.funds_withdrawn')
  expect(types.at(-1)).toBe('charge.dispute.closed')

  const second = dispute(charge, { status: 'warning_needs_response' })
  expect(escalateDispute(String(second.id))).toMatchObject({
    status: 'needs_response',
    is_charge_refundable: false,
  })
  expect(typesOf(running).slice(-2)).toEqual([
    'charge.dispute.updated',
    'charge.dispute.funds_withdrawn',
  ])
  expect(() => escalateDispute(String(second.id))).toThrow('not an open inquiry')
  await expect(stripe.refunds.create({ charge })).rejects.toMatchObject({ code: 'charge_disputed' })
  const listed = await stripe.disputes.list({ charge })
  expect(listed.data.map(({ id, status }) => [id, status])).toEqual([
    [second.id, 'needs_response'],
    [first.id, 'warning_closed'],
  ])
})

test('a charge has a second dispute after one that was won, and several of its parts', async () => {
  const { running, stripe, charge } = await paid()
  const { dispute, closeDispute } = running.sandbox.stripe
  closeDispute(String(dispute(charge).id), 'won')
  dispute(charge, { amount: 400 })
  const rest = dispute(charge, { amount: 600, status: 'prevented' })
  expect(rest).toMatchObject({ status: 'prevented' })
  expect(typesOf(running).slice(-2)).toEqual(['charge.dispute.created', 'charge.dispute.closed'])
  expect(() => dispute(charge, { amount: 1 })).toThrow('disputed already')
  expect((await stripe.disputes.list({ charge })).data).toHaveLength(3)
})
