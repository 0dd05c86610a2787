/**
 * Errors in Stripe's form. Every error response has an `error` member, because the SDK takes any other body
 * for a success, whatever its status.
 *
 * @see https://docs.stripe.com/api/errors
 * @module
 */

import { TollgateError } from '@repo/core'

/** Every code of a {@link StripeApiError}. The codes in `OFF_THE_WIRE` are not sent to clients. */
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

/** Codes that are missing in the response, because Stripe has no such code or sends none there. */
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

/** The members of Stripe's error body beside code and message. */
export interface StripeErrorDetails {
  /** Stripe's class of the error. Default `invalid_request_error`. */
  type?: 'api_error' | 'card_error' | 'idempotency_error' | 'invalid_request_error'
  /** The wrong parameter, in brackets: `items[0][price]`. */
  param?: string
  /** The bank's reason, if a card was declined. */
  decline_code?: string
  /** The bank's advice, if it gives any. */
  advice_code?: string
  /** The id of the failed charge, if there is one. */
  charge?: string
  /** The rendered PaymentIntent, if a card was declined. */
  payment_intent?: object
}

/**
 * Errors that depend on the request alone and not on stored data. They occur before the request begins, so
 * its idempotency key stays free.
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

/** An error as Stripe returns it. `details.type` defaults to `invalid_request_error`. */
export class StripeApiError extends TollgateError<StripeErrorCode> {
  override readonly name = 'StripeApiError'
  /** The members of the error body beside code and message. */
  readonly details: StripeErrorDetails
  /** Headers of the response, such as `stripe-should-retry`. */
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

  /** Whether the request had begun, so that this response is kept under its idempotency key. */
  get hasBegun(): boolean {
    return !BEFORE_THE_BEGIN.has(this.code)
  }

  /** The body of the HTTP response. */
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

/** The error for a wrong parameter: 400. */
export function invalid(
  message: string,
  param?: string,
  code: StripeErrorCode = 'invalid_request',
): StripeApiError {
  return new StripeApiError(code, 400, message, param === undefined ? {} : { param })
}

/** The error for a missing parameter: 400 `parameter_missing`. */
export const missing = (param: string): StripeApiError =>
  invalid(`Missing required param: ${param}.`, param, 'parameter_missing')

/**
 * The error for an unknown id: `resource_missing`, 404 for the requested resource and 400 for another
 * parameter's value.
 */
export function noSuch(noun: string, id: string, param = 'id'): StripeApiError {
  const status = param === 'id' ? 404 : 400
  return new StripeApiError('resource_missing', status, `No such ${noun}: '${id}'`, { param })
}

/** The error for one of Stripe's parameters or values that the stand-in does not support. It is never ignored. */
export const notCovered = (what: string, param: string): StripeApiError =>
  invalid(`The sandbox does not cover ${what}.`, param, 'not_covered')

/** The error for a value of the wrong type, found before the request begins. */
export const malformed = (message: string, param: string): StripeApiError =>
  invalid(message, param, 'parameter_malformed')
