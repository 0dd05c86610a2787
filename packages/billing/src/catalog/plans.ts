/**
 * Plans: what is sold, and which price at the provider means which plan. Prices are named by lookup
 * key, so that no provider id is ever configured.
 *
 * @module
 */

import { amountProblem, readEnv } from '@repo/core'
import { z } from 'zod'
import { BillingError } from '../errors.ts'
import { checkPlanCredits, type PlanCredits } from './plan-credits.ts'

export type Interval = 'month' | 'year'

export interface PlanPrice {
  /** The name the price has at the provider. */
  lookupKey: string
  /** Minor units. */
  amount: number
  /** Lower case. */
  currency: string
}

export interface Plan {
  /** What people read. */
  name: string
  /** Absent: the plan costs nothing and is what an owner without a subscription has. */
  prices?: Partial<Record<Interval, PlanPrice>>
  /** Days free of charge before the first payment, once per owner. Default 0. */
  trialDays?: number
  /** Default true. False: a trial begins without a card, and ends by itself where none is added. */
  trialNeedsCard?: boolean
  /** What a month of it gives, also where a year is paid at once. Default: nothing. */
  credits?: PlanCredits
}

export type Plans<Name extends string = string> = Readonly<Record<Name, Readonly<Plan>>>

/** The plan names of `plans`. */
export type PlanName<P extends Plans> = Extract<keyof P, string>

/**
 * Checks and freezes a set of plans.
 *
 * @throws `invalid_options` unless exactly one plan is free, every amount is a whole number above 0
 * and every lookup key names one price.
 */
export function definePlans<const P extends Plans>(plans: P): P {
  const all = Object.entries<Plan>(plans)
  const free = all.filter(([, plan]) => !plan.prices)
  if (free.length !== 1) {
    throw new BillingError('invalid_options', `One plan must be free; ${free.length} are.`)
  }
  const seen = new Set<string>()
  for (const [name, plan] of all) {
    for (const price of Object.values(plan.prices ?? {})) {
      if (!/^[a-z]{3}$/.test(price.currency)) {
        throw new BillingError('invalid_options', `${name}: ${price.currency} is no currency.`)
      }
      const problem = amountProblem(price.amount, price.currency)
      if (problem !== null) {
        throw new BillingError('invalid_options', `${name}: the amount ${problem}.`)
      }
      if (seen.has(price.lookupKey)) {
        throw new BillingError('invalid_options', `Two prices are called ${price.lookupKey}.`)
      }
      seen.add(price.lookupKey)
    }
    checkPlanCredits(name, plan)
    if (plan.trialDays !== undefined && !(plan.trialDays >= 0 && plan.trialDays <= 730)) {
      throw new BillingError('invalid_options', `${name}: ${plan.trialDays} trial days.`)
    }
  }
  return Object.freeze(plans)
}

/** FREE, PRO and ENTERPRISE; a year costs ten months. `trialDays` come from `STRIPE_TRIAL_DAYS`. */
export const plans = definePlans({
  FREE: { name: 'Free' },
  PRO: {
    name: 'Pro',
    prices: {
      month: { lookupKey: 'pro_monthly', amount: 2900, currency: 'usd' },
      year: { lookupKey: 'pro_yearly', amount: 29000, currency: 'usd' },
    },
  },
  ENTERPRISE: {
    name: 'Enterprise',
    prices: {
      month: { lookupKey: 'enterprise_monthly', amount: 19900, currency: 'usd' },
      year: { lookupKey: 'enterprise_yearly', amount: 199000, currency: 'usd' },
    },
  },
})

export const trialEnv = z.object({
  /** Trial days of plans that name none themselves. Default 0: no trial. */
  STRIPE_TRIAL_DAYS: z.coerce.number().int().min(0).max(730).default(0),
})

/** The trial of `plan` in days; 0 is none. */
export const trialDaysOf = (plan: Plan): number =>
  plan.trialDays ?? readEnv(trialEnv).STRIPE_TRIAL_DAYS

/** @throws `plan_not_found`; `price_not_found` when the plan has none for `interval`. */
export function priceOf(plans: Plans, name: string, interval: Interval): PlanPrice {
  const plan = Object.hasOwn(plans, name) ? plans[name] : undefined
  if (!plan) throw new BillingError('plan_not_found', `There is no plan ${name}.`)
  const price = plan.prices?.[interval]
  if (!price) throw new BillingError('price_not_found', `${name} has no price per ${interval}.`)
  return price
}

/** What of a price says which plan it is. */
export interface SoldPrice {
  lookupKey: string | null
  interval: string | null
  product: { plan: string | null }
}

/**
 * The plan and interval a price stands for; null for a price of no plan. Who pays a price that was
 * replaced since has lost its lookup key and is told by its product.
 */
export function planOfPrice(
  plans: Plans,
  { lookupKey, interval, product }: SoldPrice,
): { plan: string; interval: Interval } | null {
  for (const [plan, { prices }] of Object.entries(plans)) {
    for (const each of ['month', 'year'] as const) {
      if (lookupKey !== null && prices?.[each]?.lookupKey === lookupKey) {
        return { plan, interval: each }
      }
    }
  }
  const { plan } = product
  const isKnown = plan !== null && Object.hasOwn(plans, plan) && plans[plan]?.prices
  if (!isKnown || (interval !== 'month' && interval !== 'year')) return null
  return { plan, interval }
}

/** The name of the plan that costs nothing. */
export const freePlanOf = (plans: Plans): string =>
  Object.keys(plans).find((name) => !plans[name]?.prices) as string
