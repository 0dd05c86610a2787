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
  | 'invalid_api_key'
  | 'invalid_request'
  | 'unrecognized_url'
  | 'amount_too_large'
  | 'amount_too_small'
  | 'authentication_required'
  | 'card_declined'
  | 'charge_already_refunded'
  | 'charge_disputed'
  | 'checkout_session_not_open'
  | 'email_invalid'
  | 'expired_card'
  | 'incorrect_cvc'
  | 'incorrect_number'
  | 'invalid_expiry_month'
  | 'invalid_expiry_year'
  | 'invalid_cvc'
  | 'invoice_payment_intent_requires_action'
  | 'invoice_upcoming_none'
  | 'lookup_key_in_use'
  | 'parameter_invalid_empty'
  | 'parameter_invalid_integer'
  | 'parameter_missing'
  | 'parameter_unknown'
  | 'payment_intent_authentication_failure'
  | 'payment_intent_unexpected_state'
  | 'rate_limit'
  | 'resource_already_exists'
  | 'resource_missing'
  | 'url_invalid'

const OFF_THE_WIRE = new Set<StripeErrorCode>([
  'api_error',
  'idempotency_error',
  'invalid_api_key',
  'invalid_request',
  'unrecognized_url',
])

/** What Stripe's error body says beside the code and the message. */
export interface StripeErrorDetails {
  type?: 'api_error' | 'card_error' | 'idempotency_error' | 'invalid_request_error'
  /** The parameter at fault, in brackets: `items[0][price]`. */
  param?: string
  decline_code?: string
  charge?: string
  /** A rendered PaymentIntent, where a card was declined. */
  payment_intent?: object
}

/** An error as Stripe answers it. `details.type` is `invalid_request_error` unless given. */
export class StripeApiError extends TollgateError<StripeErrorCode> {
  override readonly name = 'StripeApiError'
  readonly details: StripeErrorDetails

  constructor(
    code: StripeErrorCode,
    status: number,
    message: string,
    details: StripeErrorDetails = {},
  ) {
    super(code, status, message)
    this.details = details
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
