/**
 * Billing's errors: one class with a stable code, an HTTP status per code, and typed data where a code has some.
 *
 * @module
 */

import { type ErrorOptionsWithHeaders, isTollgateError, TollgateError } from '@repo/core'
import { type BillingErrorCode, type BillingErrorData, type DataOf, STATUS } from './error-codes.ts'

export type { BillingErrorCode, BillingErrorData } from './error-codes.ts'

/** Required for the codes of `BillingErrorData`. */
type Options<Code extends BillingErrorCode> = Code extends keyof BillingErrorData
  ? [options: ErrorOptionsWithHeaders & { data: BillingErrorData[Code] }]
  : [options?: ErrorOptionsWithHeaders]

/**
 * An error of billing. Branch on `code`. Nothing was changed, unless the message says otherwise.
 *
 * @example
 * ```ts
 * import { changePlan, isBillingError, type PlanChangeQuote } from '@repo/billing'
 *
 * export async function accept(ownerId: string, quote: PlanChangeQuote): Promise<string> {
 *   try {
 *     const { plan } = await changePlan(ownerId, { plan: 'ENTERPRISE', quote })
 *     return `You have ${plan}.`
 *   } catch (error) {
 *     if (!isBillingError(error, 'quote_changed')) throw error
 *     return `It now costs ${error.data.amountDue} ${error.data.currency}.`
 *   }
 * }
 * ```
 */
export class BillingError<
  Code extends BillingErrorCode = BillingErrorCode,
> extends TollgateError<Code> {
  override readonly name = 'BillingError'
  /** The values behind the message, typed by `code`; undefined for codes without. See `BillingErrorData`. */
  declare readonly data: DataOf<Code>

  constructor(code: Code, message: string, ...[options]: Options<Code>) {
    super(code, STATUS[code], message, options)
    this.data = (options as { data?: unknown } | undefined)?.data as DataOf<Code>
  }
}

/** Work that needs credits was not started, because the owner has too few. */
export class InsufficientCreditsError extends BillingError<'insufficient_credits'> {
  /** The credits that the work needs. */
  readonly required: number
  /** The credits that the owner has. */
  readonly available: number

  constructor(ownerId: string, required: number, available: number) {
    const message = `${ownerId} has ${available} credits; ${required} are needed.`
    super('insufficient_credits', message, { data: { required, available } })
    this.required = required
    this.available = available
  }
}

/**
 * Whether `error` is a billing error with this code, whose `data` then has its type. Errors of another copy of the
 * package count too.
 */
export const isBillingError = <Code extends BillingErrorCode>(
  error: unknown,
  code: Code,
): error is BillingError<Code> => isTollgateError(error, code)
