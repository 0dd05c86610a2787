/**
 * The codes of billing's errors by domain, each with its HTTP status and its meaning, and the data that some errors
 * carry beside their message. `ERRORS.md` is written from this file.
 *
 * @module
 */

const CUSTOMERS = {
  /** The provider has no such customer, or the owner has none. */
  customer_not_found: 404,
  /** The customer belongs to another owner, or the owner has another customer. */
  customer_taken: 409,
  /** The provider's key belongs to another account or mode than the stored customers. */
  other_account: 500,
  /** There is no user or organization with this id. */
  owner_not_found: 404,
  /** The id of the user or organization that pays is missing. */
  owner_required: 400,
} as const

/** The codes of errors about customers and owners. */
export type CustomerErrorCode = keyof typeof CUSTOMERS

const CHECKOUT = {
  /** The owner has a subscription already, also one whose first payment is under way. */
  already_subscribed: 409,
  /** The owner has no such checkout. */
  checkout_not_found: 404,
  // #region calcom
  /** No event type of Cal.com has this id. */
  event_type_not_found: 404,
  // #endregion
  /** The amount is not a whole number above 0 that can be charged in this currency. */
  invalid_amount: 400,
  /** The currency is not a three-letter code, or differs from the subscription's. */
  invalid_currency: 400,
  // #region calcom
  /** The reference in a booking's link was changed. */
  invalid_reference: 400,
  // #endregion
  /** The address to return to is not on the host's own site. */
  invalid_return_url: 400,
  /** The payment has not succeeded. */
  payment_not_confirmed: 402,
  /** There is no such payment, or it is another owner's. */
  payment_not_found: 404,
  /** There is no such plan, or it has no price of this interval. */
  plan_not_found: 404,
  /** The provider does not know the price; `billing plans push` creates it. */
  price_not_found: 404,
  /** There is no such product. */
  product_not_found: 404,
} as const

/** The codes of errors about checkouts, one-time payments and booking links. */
export type CheckoutErrorCode = keyof typeof CHECKOUT

const SUBSCRIPTIONS = {
  /** The bank asks the card's holder to confirm the payment. */
  authentication_required: 402,
  /** The card was declined. Nothing has changed. */
  card_declined: 402,
  /** The reason, the comment or the time of a cancellation is not valid. */
  invalid_cancellation: 400,
  /** The quote could not be read. Ask for a new one. */
  invalid_quote: 400,
  /** There is no card to charge. */
  payment_method_required: 402,
  /** The change would now cost another amount than quoted. Ask for a new quote. */
  quote_changed: 409,
  /** The quote is over an hour old, or the subscription has renewed since. */
  quote_expired: 409,
  /** The subscription was cancelled. Resume it first. */
  subscription_ending: 409,
  /** The subscription has to be active or in its trial. */
  subscription_not_active: 409,
  /** The owner has no current subscription. */
  subscription_not_found: 404,
} as const

/** The codes of errors about subscriptions and their changes. */
export type SubscriptionErrorCode = keyof typeof SUBSCRIPTIONS

const CREDITS = {
  /** More credits were to be captured than the hold has. */
  capture_exceeds_hold: 409,
  /** The account would exceed the largest balance. */
  credit_limit_exceeded: 409,
  /** The functions of the ledger are missing. Apply the migrations. */
  credits_not_installed: 500,
  /** There is no such hold. */
  hold_not_found: 404,
  /** The hold is open. Capture or release it instead. */
  hold_open: 409,
  /** The hold was settled with another result, or the work under this key is done. */
  hold_settled: 409,
  /** The idempotency key was used for something else. */
  idempotency_conflict: 409,
  /** The balance is too low. */
  insufficient_credits: 402,
  /** No deduction has that much left to refund. */
  nothing_to_refund: 409,
  /** The deduction has less than that left to refund. */
  refund_exceeds_deduction: 409,
  /** The owner has no such transaction of this credit type. */
  transaction_not_found: 404,
} as const

/** The codes of errors about the ledger of credits. */
export type CreditErrorCode = keyof typeof CREDITS

const ORDERS = {
  /** Only the process whose local provider made the order knows it. */
  not_known_here: 409,
  /** There is no such order. */
  order_not_found: 404,
  /** The order has no payment to refund. */
  order_not_paid: 409,
  /** A purchase is being paid or cannot be closed yet. Try again after `Retry-After`. */
  order_processing: 409,
  /** The payment has less than that left to refund. */
  refund_exceeds_payment: 409,
  /** The provider refunds a payment in full or not at all. */
  refund_not_supported: 422,
  /** Nobody is signed in. */
  sign_in_required: 401,
} as const

/** The codes of errors about orders and refunds. */
export type OrderErrorCode = keyof typeof ORDERS

const WEBHOOKS = {
  /** The host's handler of the effect threw. Nothing was changed. */
  effect_failed: 500,
  /** There is no effect with this key. */
  effect_not_found: 404,
  /** This instance has no handler and no plan credits for the effect. */
  effect_not_handled: 409,
  /** There is no such event, or its payload was emptied. */
  event_not_found: 404,
  /** The signed body is not an event. */
  invalid_payload: 400,
  /** The signature does not match the body. */
  invalid_signature: 400,
  /** The endpoint needs https, or http on this machine. */
  invalid_webhook_url: 400,
  /** The request has no signature. */
  missing_signature: 400,
  /** The database has a plan, product or effect that this instance lacks. */
  other_instance: 409,
  /** The body is larger than any event. */
  payload_too_large: 413,
  /** The event could not be processed. It is tried again. */
  processing_failed: 500,
  /** The host has already read the body. Pass the request on unread. */
  raw_body_required: 500,
  /** The signature is too old or from the future. */
  stale_signature: 400,
  /** An effect's handler has to pass its transaction as `tx`. */
  transaction_required: 500,
  /** The body has to be JSON. */
  unsupported_media_type: 415,
} as const

/** The codes of errors about webhooks, stored events and effects. */
export type WebhookErrorCode = keyof typeof WEBHOOKS

const PROVIDERS = {
  /** The provider does not support this. */
  not_supported: 422,
  /** The provider refused, and a retry will not help. */
  provider_rejected: 502,
  /** The provider did not answer. Nothing is lost; try again. */
  provider_unavailable: 503,
} as const

/** The codes of errors about the payment provider. */
export type ProviderErrorCode = keyof typeof PROVIDERS

const INPUT = {
  /** An argument is malformed; the message names it. */
  invalid_input: 400,
  /** The host is configured wrongly; the message names the option. */
  invalid_options: 500,
} as const

/** The codes of errors about malformed input and configuration. */
export type InputErrorCode = keyof typeof INPUT

/** The codes of all billing errors. A host can switch over them exhaustively. */
export type BillingErrorCode =
  | CustomerErrorCode
  | CheckoutErrorCode
  | SubscriptionErrorCode
  | CreditErrorCode
  | OrderErrorCode
  | WebhookErrorCode
  | ProviderErrorCode
  | InputErrorCode

/** The HTTP status of each code. */
export const STATUS: Readonly<Record<BillingErrorCode, number>> = {
  ...CUSTOMERS,
  ...CHECKOUT,
  ...SUBSCRIPTIONS,
  ...CREDITS,
  ...ORDERS,
  ...WEBHOOKS,
  ...PROVIDERS,
  ...INPUT,
}

/** The data of the errors that carry some, by code. Amounts are in minor units, credits are whole. */
export interface BillingErrorData {
  /** The subscription that is in the way. */
  already_subscribed: {
    /** Its status, in Stripe's words. */
    status: string
    /** Why a person has to look at it, such as `first_payment_pending`. Null: nothing is wrong with it. */
    needsAttention: string | null
  }
  /** What was to be captured, and what there is. */
  capture_exceeds_hold: {
    /** The credits that were to be captured. */
    required: number
    /** The credits of the hold. Null: not known. */
    available: number | null
  }
  /** What was needed, and what there is. */
  insufficient_credits: {
    /** The credits that the call needs. */
    required: number
    /** The credits that the owner has. */
    available: number
  }
  /** What was quoted, and what the change costs now. */
  quote_changed: {
    /** The amount that was quoted. */
    amountQuoted: number
    /** The amount that would be charged now. */
    amountDue: number
    /** Lower case. */
    currency: string
    /** When the change would apply: at once, or at the end of the period. */
    at: 'now' | 'period_end'
  }
  /** What can still be refunded. */
  refund_exceeds_payment: {
    /** The rest of the payment that was not refunded. */
    amountAvailable: number
    /** Lower case. */
    currency: string
  }
  /** The state of the subscription. */
  subscription_not_active: {
    /** Its status, in Stripe's words. */
    status: string
  }
}

/** The data of errors with this code; undefined for codes without. */
export type DataOf<Code extends BillingErrorCode> = Code extends keyof BillingErrorData
  ? BillingErrorData[Code]
  : undefined
