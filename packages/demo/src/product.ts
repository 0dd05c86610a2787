/**
 * What the demo's company sells, in words and prices, and what the host is made of.
 *
 * @module
 */

import type { Auth } from '@repo/auth'
import {
  type Billing,
  products as defaultProducts,
  defineProducts,
  type Plan,
  plans,
} from '@repo/billing'
import { formatMoney, type Logger } from '@repo/core'

/** The pages of the stand-ins that a visitor of the demo looks at. */
export interface DemoTools {
  mailboxUrl: string
  sandboxUrl: string
}

/** A provider that signs people in, by its id. */
export interface SignInProvider {
  id: string
  name: string
}

/** The parts that the host is made of. */
export interface HostOptions {
  auth: Auth
  billing: Billing
  /** Origins of the providers' pages: checkout, portal, booking, sign-in. */
  providers: string[]
  /** The providers that have a button on the sign-in page. Default: none. */
  signInProviders?: SignInProvider[]
  /** Whether auth lets users turn on a second factor. Default false. */
  hasSecondFactor?: boolean
  /** Linked at the foot of every page. Default: no links. */
  tools?: DemoTools
  logger?: Logger
}

/** The products: the credit packs and plans of the package, and a call that is booked on Cal.com. */
export const products = defineProducts({
  ...defaultProducts,
  STRATEGY_CALL: { name: 'Strategy call, 30 minutes', amount: 4900, currency: 'usd' },
})

/** Cal.com's id of the call's event type. */
export const CALL_EVENT_TYPE = 101

/** Whether a payment was for a call. The order's SKU is in the payment's metadata. */
export const isCall = ({ metadata }: { metadata: unknown }): boolean =>
  (metadata as { sku?: unknown }).sku === 'STRATEGY_CALL'

/** A plan as a customer reads it. */
export interface Offer {
  /** The plan's key in `plans`. */
  plan: string
  name: string
  /** Per month; null for the free plan. */
  price: string | null
  gets: string
}

const GETS: Record<string, string> = {
  FREE: 'Buy credits, draw pictures, invite your team.',
  PRO: 'All of Free, with a monthly invoice. Cancel at any time.',
  ENTERPRISE: 'All of Pro, for a whole company with one invoice.',
}

/** The plans on sale, the cheapest first. */
export const offers: Offer[] = Object.entries<Plan>(plans).map(([plan, { name, prices }]) => ({
  plan,
  name,
  price: prices?.month ? money(prices.month.amount, prices.month.currency) : null,
  gets: GETS[plan] ?? '',
}))

/** The name of a plan as a customer reads it. */
export const planName = (plan: string): string =>
  offers.find((offer) => offer.plan === plan)?.name ?? plan

/** An amount in minor units, for people. */
export function money(amount: number, currency: string): string {
  return formatMoney(amount, currency)
}

/** A day, in UTC. */
export const day = (date: Date, dateStyle: 'long' | 'medium' = 'long'): string =>
  new Intl.DateTimeFormat('en', { dateStyle, timeZone: 'UTC' }).format(date)

/** A day and a minute, in UTC. */
export const time = (date: Date): string =>
  `${new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' }).format(date)} UTC`
