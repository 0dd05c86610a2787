/**
 * What is left out never means everything: each function of the instance refuses an id that is missing, empty or
 * not text, and changes nothing then.
 */

import { isTollgateError } from '@repo/core'
import { checksums } from '@repo/db/testing'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createBilling } from '../index.ts'
import { ledgerViolations } from '../testing.ts'
import { createHarness, type Harness } from './harness.ts'

/** What a form that lacks a field, or JSON, can put where something else should stand. */
const WRONG = {
  id: [undefined, null, '', ' ', {}, { not: '' }, [], ['x'], 0, Number.NaN, true, 'a\0'],
  /** Text that cannot be an id finds nothing there: 404. */
  text: [undefined, null, {}, { not: '' }, [], ['x'], 0, Number.NaN, true],
  object: [undefined, null, '', 'x', [], 0, Number.NaN, true],
  list: [undefined, null, '', 'pending', {}, 0, Number.NaN, [undefined], [{ not: '' }], ['']],
  number: [undefined, null, '', '5', {}, { gt: 0 }, [], Number.NaN, 0, 1.5],
  date: [undefined, null, '', '2026-01-01', {}, [], 0, new Date(Number.NaN)],
}

/** Something by which rows are found: an argument, or a key in one. */
interface Place {
  at: number
  key?: string
  kind: keyof typeof WRONG
}
interface Call {
  args: (owner: string) => unknown[]
  places: Place[]
}

const id = (at: number, key?: string): Place => ({ at, kind: 'id', ...(key ? { key } : {}) })
const text = (at: number, key?: string): Place => ({ at, kind: 'text', ...(key ? { key } : {}) })
const object = (at: number): Place => ({ at, kind: 'object' })
const call = (args: Call['args'], ...places: Place[]): Call => ({ args, places })
const ofOwner = (...more: unknown[]) => call((owner) => [owner, ...more], id(0))
const ofId = (...more: unknown[]) => call(() => ['some id', ...more], id(0))
const since = call(() => [{ since: new Date() }], { at: 0, key: 'since', kind: 'date' })
const status: Place = { at: 0, key: 'status', kind: 'list' }
const limit: Place = { at: 0, key: 'limit', kind: 'number' }
/** A list of an owner's rows, in pages. */
const inPages = () =>
  call((owner) => [owner, { limit: 5, after: 'some id' }], id(0), id(1, 'after'), {
    at: 1,
    key: 'limit',
    kind: 'number',
  })
const input = (more: object = {}) =>
  call((ownerId) => [{ ownerId, ...more }], object(0), id(0, 'ownerId'))
const change = call((owner) => [owner, { plan: 'PRO' }], id(0), object(1))

/** Null: it looks nothing up by an argument. */
const CALLS: Record<string, Call | null> = {
  ensureCustomer: ofOwner(),
  updateCustomer: ofOwner(),
  syncCustomer: ofOwner(),
  linkCustomer: call((owner) => [owner, 'cus_1'], id(0), id(1)),
  restoreCustomer: ofOwner(),
  importCustomers: null,
  acknowledgeEvents: call(
    () => [['evt_1'], { by: 'ada' }],
    { at: 0, kind: 'list' },
    object(1),
    id(1, 'by'),
  ),
  createCheckoutSession: input({ plan: 'PRO' }),
  confirmCheckout: call((owner) => [owner, 'cs_1'], id(0), text(1)),
  createBillingPortalSession: input(),
  getSubscription: ofOwner(),
  cancelSubscription: ofOwner(),
  resumeSubscription: ofOwner(),
  listSubscriptions: inPages(),
  changePlan: change,
  previewPlanChange: change,
  listFlagged: call((ownerId) => [{ ownerId, limit: 5 }], id(0), id(0, 'ownerId'), limit),
  resolveSubscriptions: call(
    (owner) => [owner, { keep: 'sub_1', confirmed: true }],
    id(0),
    id(1, 'keep'),
  ),
  forgetOwner: ofOwner(),
  exportOwner: ofOwner(),
  createPaymentIntent: call((ownerId) => [500, 'usd', { ownerId }], object(2), id(2, 'ownerId')),
  confirmPayment: call(() => ['pi_1'], text(0)),
  listPayments: inPages(),
  grantCredits: call(
    (owner) => [owner, 1, { idempotencyKey: 'k' }],
    id(0),
    object(2),
    id(2, 'idempotencyKey'),
  ),
  deductCredits: ofOwner(1, 'x'),
  refundCredits: call(
    (owner) => [owner, 1, 'x', { transactionId: '1' }],
    id(0),
    text(3, 'transactionId'),
  ),
  adjustCredits: call(
    (owner) => [owner, 1, 'x', { actor: 'ada' }],
    id(0),
    object(3),
    id(3, 'actor'),
  ),
  clawBackCredits: call(
    (owner) => [owner, 1, 'x', { idempotencyKey: 'k', purchaseKey: 'p' }],
    id(0),
    object(3),
    id(3, 'purchaseKey'),
    id(3, 'idempotencyKey'),
  ),
  restoreCredits: call(
    (owner) => [owner, 'x', { clawBackKey: 'k' }],
    id(0),
    object(2),
    id(2, 'clawBackKey'),
  ),
  holdCredits: ofOwner(1, 'x'),
  captureHold: call(() => ['1'], text(0)),
  releaseHold: call(() => ['1'], text(0)),
  withCredits: ofOwner(1, 'x', () => 'done'),
  getBalance: ofOwner(),
  listTransactions: ofOwner(),
  createOrder: call(
    (ownerId) => [{ ownerId, productId: 'CREDITS_SMALL' }],
    object(0),
    id(0, 'ownerId'),
    id(0, 'productId'),
  ),
  settleOrder: ofId(),
  cancelOrder: ofId(),
  refundOrder: call(() => ['some id', { amount: 1 }], id(0), {
    at: 1,
    key: 'amount',
    kind: 'number',
  }),
  showOrder: ofId(),
  listOrders: call(
    (ownerId) => [{ ownerId, status: ['pending'], limit: 5 }],
    object(0),
    id(0, 'ownerId'),
    status,
    limit,
  ),
  listEvents: call(() => [{ status: ['pending'], limit: 5 }], object(0), status, limit),
  listWaitingEffects: call(
    () => [{ limit: 5, after: 'some id' }],
    object(0),
    limit,
    id(0, 'after'),
  ),
  redeliverEffect: ofId(),
  // #region calcom
  createCalComBookingLink: call(
    (ownerId) => [101, { ownerId, paymentId: 'x' }],
    { at: 0, kind: 'number' },
    object(1),
    id(1, 'ownerId'),
    id(1, 'paymentId'),
  ),
  // #endregion
  listInvoices: inPages(),
  listBookings: inPages(), // #calcom
  showEvent: ofId(),
  replayEvent: ofId(),
  pullEvents: since,
  pullOrders: since,
  reconcileOrders: since,
  releaseOverdueHolds: null,
  expireCredits: null,
  grantMonthlyCredits: null,
  reconcileCredits: null,
  handleCreateOrder: null,
  handlePaymentCallback: null,
  checkOrders: null,
  watchOrders: null,
  handleStripeWebhook: null,
  handleCalComWebhook: null, // #calcom
  processEvents: null,
  retryDeadEvents: null,
  getAccount: null,
  replaceAccount: null,
  emptyPayloads: null,
  watchEvents: null,
  reconcile: null,
  diagnoseWebhooks: null,
  createWebhookEndpoint: null,
  listWebhookEndpoints: null,
  pushPlans: null,
  checks: null,
}

const nameOf = ({ at, key }: Place) => key ?? `argument ${at + 1}`

function withWrong(args: unknown[], { at, key }: Place, value: unknown): unknown[] {
  const changed = key === undefined ? value : { ...(args[at] as object), [key]: value }
  return args.map((each, index) => (index === at ? changed : each))
}

test('each function of the instance says which of its arguments are ids', () => {
  const functions = Object.entries(createBilling()).filter(
    ([, value]) => typeof value === 'function',
  )
  expect(Object.keys(CALLS).sort()).toEqual(functions.map(([name]) => name).sort())
})

describe('with rows of two owners', () => {
  let h: Harness
  let owner: string
  beforeAll(async () => {
    h = await createHarness(inject('postgres'))
    for (const key of ['one', 'another']) {
      ;({ ownerId: owner } = await h.subscriber())
      const { id } = await h.billing.createCheckoutSession({
        ownerId: owner,
        item: { name: 'A call', amount: 4900, currency: 'usd' },
      })
      await h.pay(id)
      await h.billing.confirmCheckout(owner, id)
      await h.billing.createOrder({ ownerId: owner, productId: 'CREDITS_SMALL' })
      await h.billing.grantCredits(owner, 100, { type: 'purchase', idempotencyKey: key })
      await h.billing.deductCredits(owner, 5, 'a picture')
      await h.billing.holdCredits(owner, 5, 'a film')
      await h.billing.clawBackCredits(owner, 5, 'a refund', { idempotencyKey: `${key}:back` })
    }
    await h.deliverAll()
  })
  afterAll(() => h.close())

  const places = Object.entries(CALLS).flatMap(([name, call]) =>
    (call?.places ?? []).map((place): [string, string, Call, Place] => [
      name,
      nameOf(place),
      call as Call,
      place,
    ]),
  )

  test.each(places)(
    '%s does not treat a missing %s as everything',
    async (name, _, { args }, place) => {
      const f = Reflect.get(h.billing, name) as (...given: unknown[]) => Promise<unknown>
      const before = [await checksums(h.db), h.sandbox.stripe.events.length]
      for (const value of WRONG[place.kind]) {
        // It has to be a promise: nobody expects a function of billing to throw at once.
        const answer = await f(...withWrong(args(owner), place, value)).catch((error) => error)
        expect([value, answer]).toEqual([value, expect.objectContaining({ status: 400 })])
        expect(isTollgateError(answer)).toBe(true)
      }
      expect([await checksums(h.db), h.sandbox.stripe.events.length]).toEqual(before)
    },
  )

  test('text that cannot be an id finds nothing and changes nothing', async () => {
    const before = await checksums(h.db)
    const { billing } = h
    for (const wrong of ['', ' ', 'x', '%', 'cs_', '1;2']) {
      for (const ask of [
        () => billing.confirmCheckout(owner, wrong),
        () => billing.confirmPayment(wrong),
        () => billing.captureHold(wrong),
        () => billing.releaseHold(wrong),
        () => billing.refundCredits(owner, 1, 'x', { transactionId: wrong }),
      ]) {
        await expect(ask()).rejects.toMatchObject({ status: 404 })
      }
    }
    expect(await checksums(h.db)).toEqual(before)
  })

  test('an unknown option is refused, because it would be ignored', async () => {
    for (const name of [
      'listOrders',
      'listEvents',
      'listFlagged',
      'listWaitingEffects',
      'resolveSubscriptions',
      'refundOrder',
    ] as const) {
      const f = h.billing[name] as (...given: unknown[]) => Promise<unknown>
      const given = name.startsWith('list') ? [{ owner }] : [owner, { owner }]
      await expect(f(...given)).rejects.toMatchObject({ code: 'invalid_argument' })
    }
  })

  test('without any argument, all owners are listed, as operators need it', async () => {
    expect((await h.billing.listOrders()).length).toBeGreaterThan(2)
    expect(await h.billing.listFlagged()).toEqual([])
    expect(await h.billing.listEvents({ status: [] })).toEqual([])
    expect(await h.billing.listEvents({ status: ['processed'] })).not.toEqual([])
  })

  test('a range of the ledger refuses ends that are undefined or malformed', async () => {
    for (const range of [
      { from: undefined },
      { to: undefined },
      { from: '' },
      { to: { not: '' } },
    ]) {
      await expect(ledgerViolations(h.db, range as never)).rejects.toMatchObject({ status: 400 })
    }
  })
})
