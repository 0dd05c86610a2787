/**
 * Billing's errors: one class with a stable code and an HTTP status per code.
 *
 * @module
 */

import { type ErrorOptionsWithHeaders, isTollgateError, TollgateError } from '@repo/core'

/** The codes of all billing errors. */
export type BillingErrorCode =
  | 'already_subscribed'
  | 'authentication_required'
  | 'capture_exceeds_hold'
  | 'card_declined'
  | 'checkout_not_found'
  | 'credit_limit_exceeded'
  | 'credits_not_installed'
  | 'customer_not_found'
  | 'customer_taken'
  | 'effect_failed'
  | 'effect_not_found'
  | 'effect_not_handled'
  | 'event_not_found'
  | 'event_type_not_found'
  | 'hold_not_found'
  | 'hold_open'
  | 'hold_settled'
  | 'idempotency_conflict'
  | 'insufficient_credits'
  | 'invalid_amount'
  | 'invalid_cancellation'
  | 'invalid_currency'
  | 'invalid_input'
  | 'invalid_options'
  | 'invalid_payload'
  | 'invalid_quote'
  | 'invalid_reference'
  | 'invalid_return_url'
  | 'invalid_signature'
  | 'invalid_webhook_url'
  | 'missing_signature'
  | 'not_known_here'
  | 'not_supported'
  | 'nothing_to_refund'
  | 'order_not_found'
  | 'order_not_paid'
  | 'order_processing'
  | 'other_account'
  | 'other_instance'
  | 'owner_not_found'
  | 'owner_required'
  | 'payload_too_large'
  | 'payment_method_required'
  | 'payment_not_confirmed'
  | 'payment_not_found'
  | 'plan_not_found'
  | 'price_not_found'
  | 'processing_failed'
  | 'product_not_found'
  | 'provider_rejected'
  | 'provider_unavailable'
  | 'quote_changed'
  | 'quote_expired'
  | 'raw_body_required'
  | 'refund_exceeds_deduction'
  | 'refund_exceeds_payment'
  | 'refund_not_supported'
  | 'sign_in_required'
  | 'stale_signature'
  | 'subscription_ending'
  | 'subscription_not_active'
  | 'subscription_not_found'
  | 'transaction_not_found'
  | 'transaction_required'
  | 'unsupported_media_type'

const STATUS: Record<BillingErrorCode, number> = {
  already_subscribed: 409,
  authentication_required: 402,
  capture_exceeds_hold: 409,
  card_declined: 402,
  checkout_not_found: 404,
  credit_limit_exceeded: 409,
  credits_not_installed: 500,
  customer_not_found: 404,
  customer_taken: 409,
  effect_failed: 500,
  effect_not_found: 404,
  effect_not_handled: 409,
  event_not_found: 404,
  event_type_not_found: 404,
  hold_not_found: 404,
  hold_open: 409,
  hold_settled: 409,
  idempotency_conflict: 409,
  insufficient_credits: 402,
  invalid_amount: 400,
  invalid_cancellation: 400,
  invalid_currency: 400,
  invalid_input: 400,
  invalid_options: 500,
  invalid_quote: 400,
  invalid_payload: 400,
  invalid_reference: 400,
  invalid_return_url: 400,
  invalid_signature: 400,
  invalid_webhook_url: 400,
  missing_signature: 400,
  not_known_here: 409,
  not_supported: 422,
  nothing_to_refund: 409,
  order_not_found: 404,
  order_not_paid: 409,
  order_processing: 409,
  other_account: 500,
  other_instance: 409,
  owner_not_found: 404,
  owner_required: 400,
  payload_too_large: 413,
  payment_method_required: 402,
  payment_not_confirmed: 402,
  payment_not_found: 404,
  plan_not_found: 404,
  price_not_found: 404,
  processing_failed: 500,
  product_not_found: 404,
  provider_rejected: 502,
  provider_unavailable: 503,
  quote_changed: 409,
  quote_expired: 409,
  raw_body_required: 500,
  refund_exceeds_deduction: 409,
  refund_exceeds_payment: 409,
  refund_not_supported: 422,
  sign_in_required: 401,
  stale_signature: 400,
  subscription_ending: 409,
  subscription_not_active: 409,
  subscription_not_found: 404,
  transaction_not_found: 404,
  transaction_required: 500,
  unsupported_media_type: 415,
}

/** An error of billing. Branch on `code`. Nothing was changed, unless the message says otherwise. */
export class BillingError extends TollgateError<BillingErrorCode> {
  override readonly name = 'BillingError'

  constructor(code: BillingErrorCode, message: string, options: ErrorOptionsWithHeaders = {}) {
    super(code, STATUS[code], message, options)
  }
}

/** Work that needs credits was not started, because the owner has too few. */
export class InsufficientCreditsError extends BillingError {
  /** The credits that the work needs. */
  readonly required: number
  /** The credits that the owner has. */
  readonly available: number

  constructor(ownerId: string, required: number, available: number) {
    const message = `${ownerId} has ${available} credits; ${required} are needed.`
    super('insufficient_credits', message)
    this.required = required
    this.available = available
  }
}

/** Whether `error` is a billing error with this code. Errors of another copy of the package count too. */
export const isBillingError = (
  error: unknown,
  code: BillingErrorCode,
): error is TollgateError<BillingErrorCode> => isTollgateError(error, code)
