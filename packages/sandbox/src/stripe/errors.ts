/**
 * Refusals in Stripe's own form. Every answer that is not a success has an `error` member, because
 * the SDK takes any other body for a success, whatever its status.
 *
 * @see https://docs.stripe.com/api/errors
 * @module
 */

import { TollgateError } from '@repo/core'

/** Every code a {@link StripeApiError} can carry; the first line's are ours and stay off the wire. */
export type StripeErrorCode =
  | 'api_error'
  | 'idempotency_error'
  | 'idempotency_key_in_use'
  | 'invalid_api_key'
  | 'invalid_request'
  | 'unrecognized_url'
  | 'account_invalid'
  | 'amount_too_large'
  | 'amount_too_small'
  | 'authentication_required'
  | 'balance_insufficient'
  | 'card_declined'
  | 'charge_already_refunded'
  | 'charge_disputed'
  | 'checkout_session_not_open'
  | 'coupon_expired'
  | 'customer_tax_location_invalid'
  | 'email_invalid'
  | 'expired_card'
  | 'incorrect_cvc'
  | 'incorrect_number'
  | 'invalid_expiry_month'
  | 'invalid_expiry_year'
  | 'invalid_cvc'
  | 'invoice_payment_intent_requires_action'
  | 'invoice_upcoming_none'
  | 'lock_timeout'
  | 'lookup_key_in_use'
  | 'not_covered'
  | 'parameter_invalid_empty'
  | 'parameter_invalid_integer'
  | 'parameter_malformed'
  | 'parameter_missing'
  | 'parameter_unknown'
  | 'payment_intent_authentication_failure'
  | 'payment_intent_unexpected_state'
  | 'processing_error'
  | 'promotion_code_invalid'
  | 'rate_limit'
  | 'resource_already_exists'
  | 'resource_missing'
  | 'url_invalid'

const OFF_THE_WIRE = new Set<StripeErrorCode>([
  'api_error',
  'idempotency_error',
  'invalid_api_key',
  'invalid_request',
  'not_covered',
  'parameter_malformed',
  'promotion_code_invalid',
  'unrecognized_url',
])

/** What Stripe's error body says beside the code and the message. */
export interface StripeErrorDetails {
  type?: 'api_error' | 'card_error' | 'idempotency_error' | 'invalid_request_error'
  /** The parameter at fault, in brackets: `items[0][price]`. */
  param?: string
  decline_code?: string
  /** What to do next, where the bank says it. */
  advice_code?: string
  charge?: string
  /** A rendered PaymentIntent, where a card was declined. */
  payment_intent?: object
}

/**
 * Refusals of a request for what it says and not for what is stored: they come before it begins, and
 * its key stays free.
 *
 * @see https://docs.stripe.com/error-low-level#sending-idempotency-keys
 */
const BEFORE_THE_BEGIN = new Set<StripeErrorCode>([
  'account_invalid',
  'amount_too_large',
  'amount_too_small',
  'email_invalid',
  'idempotency_error',
  'idempotency_key_in_use',
  'invalid_api_key',
  'lock_timeout',
  'not_covered',
  'parameter_invalid_empty',
  'parameter_invalid_integer',
  'parameter_malformed',
  'parameter_missing',
  'parameter_unknown',
  'rate_limit',
  'unrecognized_url',
  'url_invalid',
])

/** An error as Stripe answers it. `details.type` is `invalid_request_error` unless given. */
export class StripeApiError extends TollgateError<StripeErrorCode> {
  override readonly name = 'StripeApiError'
  readonly details: StripeErrorDetails
  /** Headers of the answer, such as `stripe-should-retry`. */
  readonly answerHeaders: Readonly<Record<string, string>>

  constructor(
    code: StripeErrorCode,
    status: number,
    message: string,
    details: StripeErrorDetails = {},
    answerHeaders: Readonly<Record<string, string>> = {},
  ) {
    super(code, status, message)
    this.details = details
    this.answerHeaders = answerHeaders
  }

  /** Whether the request had begun, so that this answer is kept under its idempotency key. */
  get hasBegun(): boolean {
    return !BEFORE_THE_BEGIN.has(this.code)
  }

  /** The body of the HTTP answer. */
  toBody(): { error: Record<string, unknown> } {
    const named = OFF_THE_WIRE.has(this.code)
      ? {}
      : { code: this.code, doc_url: `https://stripe.com/docs/error-codes/${dashed(this.code)}` }
    return {
      error: { ...named, message: this.message, type: 'invalid_request_error', ...this.details },
    }
  }
}

const dashed = (code: string): string => code.replaceAll('_', '-')

/** A request whose parameter is wrong: 400. */
export function invalid(
  message: string,
  param?: string,
  code: StripeErrorCode = 'invalid_request',
): StripeApiError {
  return new StripeApiError(code, 400, message, param === undefined ? {} : { param })
}

/** A parameter that has to be there and is not: 400 `parameter_missing`. */
export const missing = (param: string): StripeApiError =>
  invalid(`Missing required param: ${param}.`, param, 'parameter_missing')

/**
 * An id that names nothing: `resource_missing`, 404 where it is the resource asked for and 400 where
 * it is another parameter's value.
 */
export function noSuch(noun: string, id: string, param = 'id'): StripeApiError {
  const status = param === 'id' ? 404 : 400
  return new StripeApiError('resource_missing', status, `No such ${noun}: '${id}'`, { param })
}

/** A parameter or a value of Stripe's that the stand-in does not play: refused, never passed over. */
export const notCovered = (what: string, param: string): StripeApiError =>
  invalid(`The sandbox does not cover ${what}.`, param, 'not_covered')

/** A value of the wrong kind, found before the request begins. */
export const malformed = (message: string, param: string): StripeApiError =>
  invalid(message, param, 'parameter_malformed')
