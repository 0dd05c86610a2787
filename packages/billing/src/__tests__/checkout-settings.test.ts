/** What a host sets about Stripe's pages reaches them, and what a coupon takes whole off is given. */

import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { type CheckoutSettings, createBilling } from '../index.ts'
import { createHarness, type Harness } from './harness.ts'

let h: Harness
let promo: string
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
  const coupon = await h.stripe.coupons.create({ percent_off: 100, duration: 'forever' })
  const made = await h.stripe.promotionCodes.create({ code: 'FREEPRO', coupon: coupon.id } as never)
  promo = made.code
})
afterAll(() => h.close())

/** What the page was asked for. */
async function asked(begin: (ownerId: string) => Promise<unknown>) {
  const create = vi.spyOn(h.stripe.checkout.sessions, 'create')
  await begin(await h.owner())
  const [params] = create.mock.lastCall ?? []
  create.mockRestore()
  return params
}

describe('settings of createBilling', () => {
  test.each([
    ['a plan’s checkout', 'createCheckoutSession', { plan: 'PRO' }],
    [
      'an item’s checkout',
      'createCheckoutSession',
      { item: { name: 'Call', amount: 900, currency: 'usd' } },
    ],
    ['an order of a plan', 'createOrder', { productId: 'PRO_MONTHLY' }],
    ['an order of credits', 'createOrder', { productId: 'CREDITS_SMALL' }],
  ] as const)('reach %s', async (_, name, input) => {
    const checkout: CheckoutSettings = {
      ...{ allowPromotionCodes: true, automaticTax: true, taxIdCollection: true },
      ...{ locale: 'de', paymentMethodTypes: ['card'] },
      billingAddressCollection: 'required',
    }
    const billing = createBilling({ ...h.settings, checkout })
    const begin = (ownerId: string) =>
      (billing[name] as (of: object) => Promise<unknown>)({ ownerId, ...input })
    expect(await asked(begin)).toMatchObject({
      allow_promotion_codes: true,
      automatic_tax: { enabled: true },
      tax_id_collection: { enabled: true },
      billing_address_collection: 'required',
      locale: 'de',
      payment_method_types: ['card'],
      // Stripe refuses the two above for a customer it knows and may not change.
      customer_update: { address: 'auto', name: 'auto' },
    })
  })

  test('are not sent if none is set', async () => {
    const begin = (ownerId: string) => h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
    const params = Object.keys((await asked(begin)) ?? {})
    expect(params.sort()).toEqual([
      ...['cancel_url', 'client_reference_id', 'customer', 'line_items', 'mode'],
      ...['subscription_data', 'success_url'],
    ])
  })

  test('are overridden by the settings of one call', async () => {
    const billing = createBilling({
      ...h.settings,
      checkout: { allowPromotionCodes: true, locale: 'de' },
    })
    const coupon = await h.stripe.coupons.create({ percent_off: 20, duration: 'once' })
    const checkout = { locale: 'fr', coupon: coupon.id }
    const begin = (ownerId: string) =>
      billing.createCheckoutSession({ ownerId, plan: 'PRO', checkout })
    const params = await asked(begin)
    expect(params).toMatchObject({ locale: 'fr', discounts: [{ coupon: coupon.id }] })
    expect(params).not.toHaveProperty('allow_promotion_codes')
  })

  test('reach the portal', async () => {
    const configuration = await h.stripe.billingPortal.configurations.create({
      features: { invoice_history: { enabled: true } },
    })
    const portal = { configuration: configuration.id, locale: 'de' }
    const billing = createBilling({ ...h.settings, portal })
    const create = vi.spyOn(h.stripe.billingPortal.sessions, 'create')
    await billing.createBillingPortalSession({ ownerId: await h.owner() })
    expect(create.mock.lastCall?.[0]).toMatchObject(portal)
    create.mockRestore()
  })
})

describe('limits of seats', () => {
  const limited = () =>
    createBilling({ ...h.settings, checkout: { adjustableQuantity: { minimum: 2, maximum: 5 } } })

  test('reach the page', async () => {
    const begin = (ownerId: string) =>
      limited().createCheckoutSession({ ownerId, plan: 'PRO', quantity: 3 })
    const [line] = (await asked(begin))?.line_items ?? []
    expect(line).toMatchObject({
      quantity: 3,
      adjustable_quantity: { enabled: true, minimum: 2, maximum: 5 },
    })
  })

  test.each([1, 6, 0, 1.5])(
    '%d seats are refused before the provider is asked',
    async (quantity) => {
      const ownerId = await h.owner()
      const buy = limited().createCheckoutSession({ ownerId, plan: 'PRO', quantity })
      await expect(buy).rejects.toMatchObject({ code: 'invalid_amount', status: 400 })
    },
  )

  test.each([{ minimum: 5, maximum: 2 }, { maximum: 0 }, { maximum: 1_000_000 }, { minimum: -1 }])(
    '%j is refused',
    (adjustableQuantity) => {
      const make = () => createBilling({ ...h.settings, checkout: { adjustableQuantity } })
      expect(make).toThrow(/adjustableQuantity/)
    },
  )
})

describe('a coupon of 100 %', () => {
  const billing = () => createBilling({ ...h.settings, checkout: { allowPromotionCodes: true } })

  test('grants the plan of a checkout', async () => {
    const ownerId = await h.owner()
    const { id } = await billing().createCheckoutSession({ ownerId, plan: 'PRO' })
    h.sandbox.stripe.completeCheckout(id, { card: '4242424242424242', promotionCode: promo })
    expect(await billing().confirmCheckout(ownerId, id)).toMatchObject({ paid: true })
    expect(await billing().getSubscription(ownerId)).toMatchObject({
      plan: 'PRO',
      status: 'active',
    })
  })

  test.each([
    ['PRO_MONTHLY', 0],
    ['CREDITS_SMALL', 100],
  ])('completes an order of %s and grants its credits once', async (productId, credits) => {
    const ownerId = await h.owner()
    const { orderId, checkoutId } = await billing().createOrder({ ownerId, productId })
    h.sandbox.stripe.completeCheckout(checkoutId, {
      ...{ card: '4242424242424242', promotionCode: promo },
    })
    await Promise.all([1, 2, 3].map(() => billing().settleOrder(orderId)))
    await h.deliverAll()
    expect(await billing().showOrder(orderId)).toMatchObject({
      ...{ status: 'completed', needsAttention: null, amountPaid: 0 },
    })
    expect((await billing().getBalance(ownerId)).balance).toBe(credits)
    const refund = billing().refundOrder(orderId)
    await expect(refund).rejects.toMatchObject({ code: 'order_not_paid' })
  })
})
