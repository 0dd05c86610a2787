/**
 * What a plan says of credits.
 *
 * @module
 */

import { creditTypeOf, priorityOf, requireCredits } from '../credit-input.ts'
import { BillingError } from '../errors.ts'

export interface PlanCredits {
  /** A month, whatever the number of seats. */
  amount: number
  /**
   * What becomes of a month's rest when the next month's credits come. `none`: it lapses. `{ max }`: so
   * many are carried over, and lapse with the next month's unless carried again. `unlimited`: they stay.
   */
  rollover: 'none' | 'unlimited' | { max: number }
  /** Default `credits`. */
  creditType?: string
  /** 0 to 100; lower is spent first. Default 40, so that they go before what was bought. */
  priority?: number
}

/** @throws `invalid_options` for terms that cannot be kept */
export function checkPlanCredits(
  name: string,
  plan: { credits?: PlanCredits; prices?: unknown },
): void {
  const { credits } = plan
  if (!credits) return
  try {
    if (!plan.prices) throw new BillingError('invalid_input', 'the free plan gives no credits')
    requireCredits(credits.amount)
    creditTypeOf(credits.creditType)
    priorityOf(credits.priority)
    const { rollover } = credits
    if (typeof rollover === 'object') requireCredits(rollover.max)
    else if (rollover !== 'none' && rollover !== 'unlimited') {
      throw new BillingError('invalid_input', `${rollover} is no way to roll over`)
    }
  } catch (cause) {
    const why = (cause as Error).message
    throw new BillingError('invalid_options', `${name}: its credits: ${why}`, { cause })
  }
}
