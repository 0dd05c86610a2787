/**
 * Records of payments: intents, charges, refunds, cards; see `objects.ts`.
 *
 * @module
 */

import type { Address, Base, Metadata } from '../server/base-objects.ts'

export interface PaymentError {
  charge?: string
  code: string
  decline_code?: string
  doc_url: string
  message: string
  param?: string
  payment_method?: PaymentMethod
  type: 'card_error'
}

export interface PaymentIntent extends Base {
  object: 'payment_intent'
  amount: number
  amount_capturable: number
  amount_received: number
  application: null
  automatic_payment_methods: { enabled: boolean; allow_redirects: string } | null
  canceled_at: number | null
  cancellation_reason: string | null
  capture_method: 'automatic' | 'automatic_async'
  client_secret: string
  confirmation_method: 'automatic'
  currency: string
  customer: string | null
  description: string | null
  invoice: string | null
  last_payment_error: PaymentError | null
  latest_charge: string | null
  metadata: Metadata
  next_action: object | null
  on_behalf_of: null
  payment_method: string | null
  payment_method_options: object
  payment_method_types: string[]
  processing: null
  receipt_email: string | null
  review: null
  setup_future_usage: 'off_session' | 'on_session' | null
  shipping: null
  statement_descriptor: string | null
  statement_descriptor_suffix: string | null
  status:
    | 'canceled'
    | 'processing'
    | 'requires_action'
    | 'requires_confirmation'
    | 'requires_payment_method'
    | 'succeeded'
  transfer_group: null
}

export interface Charge extends Base {
  object: 'charge'
  amount: number
  amount_captured: number
  amount_refunded: number
  billing_details: PaymentMethod['billing_details']
  captured: boolean
  currency: string
  customer: string | null
  description: string | null
  /** Null if there is no dispute. */
  dispute: string | null
  disputed: boolean
  failure_code: string | null
  failure_message: string | null
  invoice: string | null
  metadata: Metadata
  outcome: {
    network_status: string
    reason: string | null
    seller_message: string
    type: string
  } | null
  paid: boolean
  payment_intent: string | null
  payment_method: string | null
  payment_method_details: object
  receipt_url: string | null
  refunded: boolean
  status: 'succeeded' | 'pending' | 'failed'
}

export interface Refund extends Base {
  object: 'refund'
  amount: number
  balance_transaction: null
  charge: string
  customer: string | null
  currency: string
  /** Only a refund to a card has a reference. */
  destination_details?: {
    type: 'card'
    card: {
      reference_status: 'available' | 'pending'
      reference_type: 'acquirer_reference_number'
      type: 'refund'
    }
  }
  failure_reason?: string
  metadata: Metadata
  next_action?: object
  payment_intent: string | null
  payment_method: string | null
  pending_reason?: 'charge_pending' | 'insufficient_funds' | 'processing'
  reason: string | null
  receipt_number: null
  source_transfer_reversal: null
  status: 'succeeded' | 'pending' | 'failed' | 'canceled' | 'requires_action'
  transfer_reversal: null
}

/** A payment of an invoice: the default one, one attached later, or one made outside of Stripe. */
export interface InvoicePayment extends Base {
  object: 'invoice_payment'
  /** Null until it is paid. */
  amount_paid: number | null
  amount_requested: number
  currency: string
  invoice: string
  /** Created with the invoice; its amount follows the remaining amount. */
  is_default: boolean
  /** Null if it was paid outside of Stripe; then `payment_record` names the payment. */
  payment_intent: string | null
  payment_record: string | null
  status: 'open' | 'paid' | 'canceled'
  status_transitions: { canceled_at: number | null; paid_at: number | null }
}

export interface Dispute extends Base {
  object: 'dispute'
  amount: number
  balance_transactions: []
  charge: string
  currency: string
  enhanced_eligibility_types: []
  evidence: object
  evidence_details: {
    due_by: number | null
    enhanced_eligibility: object
    has_evidence: boolean
    past_due: boolean
    submission_count: number
  }
  is_charge_refundable: boolean
  metadata: Metadata
  payment_intent: string | null
  payment_method_details: object
  reason:
    | 'credit_not_processed'
    | 'duplicate'
    | 'fraudulent'
    | 'general'
    | 'product_not_received'
    | 'product_unacceptable'
    | 'subscription_canceled'
    | 'unrecognized'
  /** `warning_*` is an inquiry: no money is withdrawn until it is escalated. */
  status:
    | 'lost'
    | 'needs_response'
    | 'prevented'
    | 'under_review'
    | 'warning_closed'
    | 'warning_needs_response'
    | 'warning_under_review'
    | 'won'
}

/** The behaviour of the stand-in's bank for a card. */
export type CardBehaviour =
  | 'pays'
  | 'fails_later'
  | 'requires_action'
  | 'authentication_required'
  | 'delayed'
  | 'generic_decline'
  | 'insufficient_funds'
  | 'lost_card'
  | 'expired_card'
  | 'incorrect_cvc'
  | 'test_mode_live_card'
  | 'is_disputed'
  | 'is_inquired'
  | 'processing_error'
  | 'refund_fails'
  | 'refund_waits'

export interface PaymentMethod extends Base {
  object: 'payment_method'
  allow_redisplay: 'unspecified'
  billing_details: {
    address: Address
    email: string | null
    name: string | null
    phone: string | null
  }
  card: {
    brand: string
    checks: { address_line1_check: null; address_postal_code_check: null; cvc_check: 'pass' }
    country: 'US'
    display_brand: string
    exp_month: number
    exp_year: number
    fingerprint: string
    funding: 'credit'
    generated_from: null
    last4: string
    networks: { available: string[]; preferred: null }
    three_d_secure_usage: { supported: true }
    wallet: null
  }
  customer: string | null
  metadata: Metadata
  /** A bank debit has no card; `card` then holds the data of its bank account. */
  type: 'card' | 'sepa_debit'
  /** Internal: never returned. The card number itself is not stored. */
  behaviour: CardBehaviour
}
