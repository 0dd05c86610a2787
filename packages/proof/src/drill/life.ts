/**
 * Plays a history at the provider. Acts of the account's owner or the portal go through the official SDK;
 * acts of buyers and banks and the passing of time go through the stand-in's controls. Nothing here reads our
 * database.
 *
 * @module
 */

import { customerKey, PAYMENT_MARK } from '@repo/billing/testing'
import type Stripe from 'stripe'
import type { DrillAct, DrillStep } from './history.ts'

/** How a checkout is paid. */
export interface PaidBy {
  /** The number of a test card. */
  card: string
}

/** The controls of the Stripe stand-in that a history needs. */
export interface StandIn {
  /** Pays a checkout as its buyer would. */
  completeCheckout(sessionId: string, payment: PaidBy): unknown
  /** Ends the present period and charges the next one. */
  renew(subscriptionId: string): unknown
  /** Ends the present period with a card that is declined. */
  failPayment(subscriptionId: string): unknown
  /** Ends the subscription at once. */
  endSubscription(subscriptionId: string): unknown
}

/** An owner in the drill. */
export interface DrillOwner {
  /** Our id of the user. */
  ownerId: string
  /** The user's address. */
  email: string
}

/** The options of `createLife`. */
export interface LifeOptions {
  /** A client of the stand-in, without faults. */
  stripe: Stripe
  /** The controls of the stand-in. */
  standIn: StandIn
  /** The host of the app URL, which names the customers' environment. */
  environment: string
  /** The owner of a customer's number in the history. */
  ownerOf(who: number): DrillOwner
  /** Called after a customer was created at the provider. Returns whether our row names that customer already. */
  onSignUp?(owner: DrillOwner, stripeCustomerId: string): Promise<boolean> | boolean
  /** Called when a buyer or visitor comes to the host, which then syncs the customer. */
  onVisit?(owner: DrillOwner): unknown
}

/** Customers who live at the provider. */
export interface Life {
  /** Plays one step. False: the customer is deleted, or the provider refused the step. */
  play(step: DrillStep): Promise<boolean>
  /** All customers who have signed up. */
  readonly customers: readonly DrillCustomer[]
}

/** A customer at the provider. */
export interface DrillCustomer extends DrillOwner {
  /** The customer's id at Stripe. */
  stripeCustomerId: string
  /**
   * Whether our row named the customer at its sign-up. Only such a customer is deleted, because the deletion
   * of an unlinked customer cannot be recognized.
   */
  isLinked: boolean
  /** Whether the customer was deleted at Stripe. */
  isDeleted: boolean
}

const LOOKUP_KEYS = ['pro_monthly', 'enterprise_monthly', 'pro_yearly', 'enterprise_yearly']
const GOOD_CARDS = ['4242424242424242', '5555555555554444', '378282246310005']
const DECLINED_CARD = '4000000000000002'
const LATER_DECLINED_CARD = '4000000000000341'

const DAY_SECONDS = 24 * 60 * 60

/** What an act works with. */
interface Scene {
  stripe: Stripe
  standIn: StandIn
  customer: string
  pick: number
  /** The item that the step chooses. Undefined: there are no items. */
  one<T>(items: readonly T[]): T | undefined
  price(pick: number): string
  foreignPrice(): Promise<string>
}

/** Creates a life in which nobody has signed up yet. */
export function createLife(options: LifeOptions): Life {
  const { stripe, standIn } = options
  const customers = new Map<number, DrillCustomer>()
  let prices: string[] | undefined
  let foreign: Promise<string> | undefined
  const foreignPrice = async () => {
    const product = await stripe.products.create({ name: 'Sold past us' })
    const terms = { currency: 'usd', unit_amount: 1234, recurring: { interval: 'month' as const } }
    return (await stripe.prices.create({ product: product.id, ...terms })).id
  }

  const signUp = async (who: number): Promise<DrillCustomer> => {
    const owner = options.ownerOf(who)
    const { environment } = options
    // Created as billing creates it. A row that does not name the customer yet stands for a crash
    // in between.
    const { id } = await stripe.customers.create(
      { metadata: { ownerId: owner.ownerId, ownerType: 'user', environment } },
      { idempotencyKey: customerKey(environment, owner.ownerId) },
    )
    await stripe.customers.update(id, { email: owner.email, name: owner.ownerId })
    const isLinked = (await options.onSignUp?.(owner, id)) ?? false
    const customer = { ...owner, stripeCustomerId: id, isLinked, isDeleted: false }
    customers.set(who, customer)
    return customer
  }

  return {
    get customers() {
      return [...customers.values()]
    },
    async play({ who, does, pick }) {
      prices ??= await pricesOf(stripe)
      const known = prices
      const customer = customers.get(who) ?? (await signUp(who))
      if (customer.isDeleted) return false
      if (does === 'deleteCustomer' && !customer.isLinked) return false
      if (does === 'comeBack') {
        await options.onVisit?.(customer)
        return true
      }
      const scene: Scene = {
        stripe,
        standIn,
        customer: customer.stripeCustomerId,
        pick,
        one: (items) => items[pick % items.length],
        price: (n) => known[n % known.length] as string,
        foreignPrice: () => {
          foreign ??= foreignPrice()
          return foreign
        },
      }
      try {
        await DO[does](scene)
      } catch (error) {
        if (!isRefusal(error)) throw error
        return false
      }
      customer.isDeleted = does === 'deleteCustomer'
      return true
    },
  }
}

/** Whether the provider refused the step, which may happen. Any other error is a mistake in the drill. */
function isRefusal(error: unknown): boolean {
  const { type, code, status, statusCode } = error as Record<string, unknown>
  if (typeof statusCode === 'number') return statusCode >= 400 && statusCode < 500
  return typeof status === 'number' && status < 500 && Boolean(code ?? type)
}

async function pricesOf(stripe: Stripe): Promise<string[]> {
  const { data } = await stripe.prices.list({ lookup_keys: LOOKUP_KEYS, limit: 100 })
  return LOOKUP_KEYS.flatMap((key) => data.find(({ lookup_key }) => lookup_key === key)?.id ?? [])
}

const isRunning = ({ status }: Stripe.Subscription) =>
  status !== 'canceled' && status !== 'incomplete_expired'

async function running(
  { stripe, customer, one }: Scene,
  fits: (subscription: Stripe.Subscription) => boolean = isRunning,
): Promise<Stripe.Subscription | undefined> {
  const { data } = await stripe.subscriptions.list({ customer, status: 'all', limit: 100 })
  return one(data.filter((subscription) => isRunning(subscription) && fits(subscription)))
}

async function checkout(scene: Scene, card: string | null): Promise<void> {
  const { stripe, standIn, customer, pick, price } = scene
  // A customer with a plan is not offered another. `subscribeAgain` creates second subscriptions
  // without the host.
  if (await running(scene)) return
  const session = await stripe.checkout.sessions.create({
    mode: 'subscription',
    customer,
    line_items: [{ price: price(pick), quantity: 1 + (pick % 3) }],
    success_url: 'http://localhost:3000/billing/success',
  })
  if (card === null) await stripe.checkout.sessions.expire(session.id)
  else await standIn.completeCheckout(session.id, { card })
}

async function card({ stripe, customer }: Scene): Promise<string> {
  return (await stripe.paymentMethods.attach('pm_card_visa', { customer })).id
}

async function buyOnce({ stripe, customer, pick }: Scene, method: string): Promise<void> {
  const intent = await stripe.paymentIntents.create({
    amount: 500 + pick,
    currency: pick % 2 === 0 ? 'usd' : 'eur',
    customer,
    metadata: { [PAYMENT_MARK]: 'intent', order: `order-${pick}` },
    automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
  })
  await stripe.paymentIntents.confirm(intent.id, { payment_method: method })
}

const change = async (
  scene: Scene,
  params: (subscription: Stripe.Subscription) => Stripe.SubscriptionUpdateParams,
): Promise<void> => {
  const subscription = await running(scene)
  if (!subscription) return
  await scene.stripe.subscriptions.update(subscription.id, params(subscription))
}

const itemOf = (subscription: Stripe.Subscription): string => subscription.items.data[0]?.id ?? ''

const DO: Record<Exclude<DrillAct, 'comeBack'>, (scene: Scene) => Promise<unknown>> = {
  subscribe: (scene) => checkout(scene, scene.one(GOOD_CARDS) ?? null),
  subscribeDeclined: (scene) => checkout(scene, DECLINED_CARD),
  subscribeWithFailingCard: (scene) => checkout(scene, LATER_DECLINED_CARD),
  abandonCheckout: (scene) => checkout(scene, null),
  async startTrial(scene) {
    if (await running(scene)) return
    const { stripe, customer, pick, price } = scene
    const isWithCard = pick % 3 > 0
    await stripe.subscriptions.create({
      customer,
      items: [{ price: price(pick) }],
      trial_period_days: 2 + (pick % 12),
      ...(isWithCard ? { default_payment_method: await card(scene) } : {}),
    })
  },
  buyOnce: (scene) => buyOnce(scene, 'pm_card_visa'),
  buyOnceDeclined: (scene) => buyOnce(scene, 'pm_card_visa_chargeDeclined'),
  async renew(scene) {
    const due = await running(scene, ({ status }) => status !== 'incomplete')
    if (due) await scene.standIn.renew(due.id)
  },
  async failPayment(scene) {
    const due = await running(scene, ({ status }) => status !== 'incomplete')
    if (due) await scene.standIn.failPayment(due.id)
  },
  async recover(scene) {
    const { stripe, customer, one } = scene
    const open = one((await stripe.invoices.list({ customer, status: 'open', limit: 100 })).data)
    if (open?.id) await stripe.invoices.pay(open.id, { payment_method: await card(scene) })
  },
  changePrice: (scene) =>
    change(scene, (subscription) => ({
      items: [{ id: itemOf(subscription), price: scene.price(scene.pick) }],
      proration_behavior: scene.pick % 2 === 0 ? 'create_prorations' : 'always_invoice',
    })),
  changeQuantity: (scene) =>
    change(scene, (subscription) => ({
      items: [{ id: itemOf(subscription), quantity: 1 + (scene.pick % 9) }],
      proration_behavior: 'none',
    })),
  async changeToForeignPrice(scene) {
    const price = await scene.foreignPrice()
    await change(scene, (subscription) => ({
      items: [{ id: itemOf(subscription), price }],
      proration_behavior: 'none',
    }))
  },
  scheduleEnd: (scene) => change(scene, () => ({ cancel_at_period_end: true })),
  scheduleEndOnDate: (scene) =>
    change(scene, () => ({
      cancel_at: Math.floor(Date.now() / 1000) + (2 + (scene.pick % 60)) * DAY_SECONDS,
    })),
  keep: (scene) =>
    change(scene, ({ cancel_at_period_end }) =>
      cancel_at_period_end ? { cancel_at_period_end: false } : { cancel_at: '' },
    ),
  async cancelNow(scene) {
    const found = await running(scene)
    if (found) await scene.stripe.subscriptions.cancel(found.id)
  },
  async giveUp(scene) {
    const found = await running(scene, ({ status }) => status === 'past_due')
    if (found) await scene.standIn.endSubscription(found.id)
  },
  async subscribeAgain(scene) {
    const { stripe, customer, pick, price } = scene
    const default_payment_method = await card(scene)
    const items = [{ price: price(pick + 1) }]
    await stripe.subscriptions.create({ customer, items, default_payment_method })
  },
  async refund(scene) {
    const { stripe, customer, pick, one } = scene
    const { data } = await stripe.paymentIntents.list({ customer, limit: 100 })
    const paid = one(data.filter(({ status }) => status === 'succeeded'))
    if (!paid) return
    const amount = pick % 3 === 0 ? {} : { amount: Math.ceil(paid.amount / (2 + (pick % 4))) }
    await stripe.refunds.create({ payment_intent: paid.id, ...amount })
  },
  describe: ({ stripe, customer, pick }) =>
    stripe.customers.update(customer, { description: `Number ${pick}` }),
  deleteCustomer: ({ stripe, customer }) => stripe.customers.del(customer),
}
