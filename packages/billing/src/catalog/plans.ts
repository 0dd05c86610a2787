/**
 * Plans: the subscriptions on sale, and the plan that each of the provider's prices stands for. Prices are named by
 * lookup key, so that no provider id is ever configured.
 *
 * @module
 */

import { amountProblem, readEnv } from '@repo/core'
import * as z from 'zod'
import { BillingError } from '../errors.ts'
import { requirePlanKinds } from './kinds.ts'
import { checkPlanCredits, type PlanCredits } from './plan-credits.ts'

/** How often a plan is paid. */
export type Interval = 'month' | 'year'

/** The price of a plan per interval. */
export interface PlanPrice {
  /** The price's lookup key at the provider. */
  lookupKey: string
  /** Minor units. */
  amount: number
  /** Lower case. */
  currency: string
}

/** A plan: its name, its prices, its trial and its credits. */
export interface Plan {
  /** The name that people read. */
  name: string
  /** Absent: the plan is free, and an owner without a subscription has it. */
  prices?: Partial<Record<Interval, PlanPrice>>
  /** Days free of charge before the first payment, once per owner. Default 0. */
  trialDays?: number
  /** Default true. False: a trial begins without a card, and the subscription ends with it if no card was added. */
  trialNeedsCard?: boolean
  /** Credits granted each month, also when a year is paid at once. Default: none. */
  credits?: PlanCredits
}

/** Plans by name. */
export type Plans<Name extends string = string> = Readonly<Record<Name, Readonly<Plan>>>

/** The plan names of `plans`. */
export type PlanName<P extends Plans> = Extract<keyof P, string>

/**
 * Checks and freezes a set of plans.
 *
 * @throws `invalid_options` unless exactly one plan is free, every price has a currency and an amount that can be
 * charged in it, every lookup key names one price, trials last 0 to 730 days and every plan's credits are valid.
 *
 * @example
 * ```ts
 * import { definePlans } from '@repo/billing'
 *
 * export const plans = definePlans({
 *   FREE: { name: 'Free' },
 *   TEAM: {
 *     name: 'Team',
 *     prices: {
 *       month: { lookupKey: 'team_month', amount: 2900, currency: 'eur' },
 *       year: { lookupKey: 'team_year', amount: 29000, currency: 'eur' },
 *     },
 *   },
 * })
 * ```
 */
export function definePlans<const P extends Plans>(plans: P): P {
  requirePlanKinds('definePlans', plans)
  const all = Object.entries<Plan>(plans)
  const free = all.filter(([, plan]) => !plan.prices)
  if (free.length !== 1) {
    throw new BillingError('invalid_options', `Exactly one plan must be free; ${free.length} are.`)
  }
  const seen = new Set<string>()
  for (const [name, plan] of all) {
    for (const price of Object.values(plan.prices ?? {})) {
      if (!/^[a-z]{3}$/.test(price.currency)) {
        throw new BillingError(
          'invalid_options',
          `${name}: the currency must be three lower-case letters, not ${price.currency}.`,
        )
      }
      const problem = amountProblem(price.amount, price.currency)
      if (problem !== null) {
        throw new BillingError('invalid_options', `${name}: the amount ${problem}.`)
      }
      if (seen.has(price.lookupKey)) {
        throw new BillingError(
          'invalid_options',
          `${name}: the lookup key ${price.lookupKey} is used by two prices.`,
        )
      }
      seen.add(price.lookupKey)
    }
    checkPlanCredits(name, plan)
    if (plan.trialDays !== undefined && !(plan.trialDays >= 0 && plan.trialDays <= 730)) {
      throw new BillingError(
        'invalid_options',
        `${name}: trialDays must be from 0 to 730, not ${plan.trialDays}.`,
      )
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

/** The environment variable of trials. */
export const trialEnv = z.object({
  /** Trial days of the plans without `trialDays`. Default 0: no trial. */
  STRIPE_TRIAL_DAYS: z.coerce.number().int().min(0).max(730).default(0),
})

/** The trial of `plan` in days; 0 means no trial. */
export const trialDaysOf = (plan: Plan): number =>
  plan.trialDays ?? readEnv(trialEnv).STRIPE_TRIAL_DAYS

/**
 * The price of the plan called `name` per `interval`.
 *
 * @throws `plan_not_found`; `price_not_found` when the plan has no price for `interval`.
 */
export function priceOf(plans: Plans, name: string, interval: Interval): PlanPrice {
  const plan = planNamed(plans, name)
  if (!plan) {
    const message = `There is no plan ${name}. The plans are ${Object.keys(plans).join(', ')}.`
    throw new BillingError('plan_not_found', message)
  }
  const price = plan.prices?.[interval]
  if (!price) throw new BillingError('price_not_found', `${name} has no price per ${interval}.`)
  return price
}

/** The columns of a stored price from which its plan is known. */
export interface SoldPrice {
  lookupKey: string | null
  interval: string | null
  product: { plan: string | null }
}

/**
 * The plan and interval that a price stands for; null where the price belongs to no plan. A price that was replaced
 * has lost its lookup key, so its product names the plan.
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
  const isKnown = plan !== null && planNamed(plans, plan)?.prices
  if (!isKnown || (interval !== 'month' && interval !== 'year')) return null
  return { plan, interval }
}

/** The plan called `name`, which may come from a caller; undefined if there is none. */
export const planNamed = (plans: Plans, name: string): Plan | undefined =>
  Object.hasOwn(plans, name) ? plans[name] : undefined

/** The name of the free plan. */
export const freePlanOf = (plans: Plans): string =>
  Object.keys(plans).find((name) => !plans[name]?.prices) as string
