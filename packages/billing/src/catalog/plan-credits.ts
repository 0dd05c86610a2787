/**
 * The credits that a plan grants each month.
 *
 * @module
 */

import { creditTypeOf, priorityOf, requireCredits } from '../credit-input.ts'
import { BillingError } from '../errors.ts'

/** A limited rollover of unspent credits. */
export interface Rollover {
  /** The most credits that are carried over to the next month, whole and above 0. */
  max: number
}

/** The credits of a plan, and what happens to credits that are left at the end of a month. */
export interface PlanCredits {
  /** Whole credits per month, whatever the number of seats. */
  amount: number
  /**
   * What happens to unspent credits when the next month's credits come. `none`: they expire. `{ max }`: at most
   * `max` are carried over, and expire with the next month's unless they are carried over again. `unlimited`: they
   * stay.
   */
  rollover: 'none' | 'unlimited' | Rollover
  /** The credit type. Default `credits`. */
  creditType?: string
  /** 0 to 100; lower is spent first. Default 40, so that a plan's credits are spent before bought ones. */
  priority?: number
}

/**
 * Checks the credits of the plan called `name`.
 *
 * @throws `invalid_options` for credits of the free plan, and for an invalid amount, type, priority or rollover.
 */
export function checkPlanCredits(
  name: string,
  plan: { credits?: PlanCredits; prices?: unknown },
): void {
  const { credits } = plan
  if (!credits) return
  try {
    if (!plan.prices) throw new BillingError('invalid_input', 'the free plan cannot have any')
    requireCredits(credits.amount)
    creditTypeOf(credits.creditType)
    priorityOf(credits.priority)
    const { rollover } = credits
    if (typeof rollover === 'object') requireCredits(rollover.max)
    else if (rollover !== 'none' && rollover !== 'unlimited') {
      throw new BillingError(
        'invalid_input',
        `rollover must be none, unlimited or { max }, not ${rollover}`,
      )
    }
  } catch (cause) {
    const why = (cause as Error).message
    throw new BillingError('invalid_options', `The credits of ${name} are invalid: ${why}`, {
      cause,
    })
  }
}
