/**
 * The records of the stand-in, named as Stripe names them. A record holds the members of both API shapes, the
 * old (2024-04-10) and the new (2025-03-31 and later); `shapes.ts` drops the members that a response must not
 * have. References are ids, which `expand[]` replaces in the response.
 *
 * @module
 */

import type { Coupon, Discount, PromotionCode } from '../catalog/discount-objects.ts'
import type { TaxRate } from '../catalog/tax-objects.ts'
import type { PortalFeatures } from '../checkout/portal-objects.ts'
import type { CreditNote } from '../invoices/credit-note-objects.ts'
import type {
  Charge,
  Dispute,
  InvoicePayment,
  PaymentIntent,
  PaymentMethod,
  Refund,
} from '../payments/payment-objects.ts'
import type { SubscriptionSchedule } from '../subscriptions/schedule-objects.ts'
import type {
  Invoice,
  MissingPaymentMethod,
  Subscription,
} from '../subscriptions/subscription-objects.ts'
import type { Address, Base, Embedded, Metadata, Price } from './base-objects.ts'

export type * from '../catalog/discount-objects.ts'
export type * from '../catalog/tax-objects.ts'
export type * from '../invoices/credit-note-objects.ts'
export type * from '../payments/payment-objects.ts'
export type * from '../subscriptions/schedule-objects.ts'
export type * from '../subscriptions/subscription-objects.ts'

export interface Customer extends Base {
  object: 'customer'
  address: Address | null
  /** In minor units; a negative balance reduces the next invoice. */
  balance: number
  currency: string | null
  default_source: null
  delinquent: boolean
  description: string | null
  discount: null
  email: string | null
  invoice_prefix: string
  invoice_settings: {
    custom_fields: null
    default_payment_method: string | null
    footer: null
    rendering_options: null
  }
  metadata: Metadata
  name: string | null
  /** The final number of the customer's next invoice number. */
  next_invoice_sequence: number
  phone: string | null
  preferred_locales: string[]
  shipping: { address: Address; name: string; phone: string | null } | null
  tax_exempt: 'none'
  test_clock: null
  /** Present once deleted. The record stays, so that its id can still be read. */
  deleted?: true
}

export interface Product extends Base {
  object: 'product'
  active: boolean
  default_price: string | null
  description: string | null
  images: string[]
  marketing_features: { name: string }[]
  metadata: Metadata
  name: string
  package_dimensions: null
  shippable: null
  statement_descriptor: string | null
  tax_code: null
  type: 'service'
  unit_label: string | null
  updated: number
  url: string | null
}

export interface LineItem {
  id: string
  object: 'item'
  amount_discount: number
  amount_subtotal: number
  amount_tax: number
  amount_total: number
  currency: string
  description: string
  price: Price
  quantity: number
  /** Internal: the tax rates of the line. */
  tax_rates: TaxRate[]
}

export interface CheckoutSession extends Base {
  object: 'checkout.session'
  after_expiration: null
  allow_promotion_codes: boolean | null
  amount_subtotal: number
  amount_total: number
  automatic_tax: {
    enabled: boolean
    liability: { type: 'self' } | null
    status: 'complete' | 'requires_location_inputs' | null
  }
  billing_address_collection: null
  cancel_url: string | null
  client_reference_id: string | null
  client_secret: null
  consent: null
  consent_collection: null
  currency: string
  custom_fields: []
  custom_text: Record<string, null>
  customer: string | null
  customer_creation: 'always' | 'if_required' | null
  customer_details: {
    address: Address | null
    email: string | null
    name: string | null
    phone: null
    tax_exempt: 'none'
    /** Null until the session is complete. */
    tax_ids: [] | null
  } | null
  customer_email: string | null
  discounts: { coupon: string; promotion_code: string | null }[] | null
  expires_at: number
  invoice: string | null
  invoice_creation: null
  /** Only returned if `expand[]` names it. */
  line_items: Embedded<LineItem>
  locale: string | null
  metadata: Metadata
  mode: 'payment' | 'subscription'
  payment_intent: string | null
  payment_intent_data: { metadata: Metadata; description: string | null }
  payment_link: null
  payment_method_collection: 'always' | 'if_required' | null
  payment_method_options: object
  payment_method_types: string[]
  payment_status: 'unpaid' | 'paid' | 'no_payment_required'
  phone_number_collection: { enabled: false }
  recovered_from: null
  /** Internal: the ids of the coupons and codes that are redeemed on payment. */
  redemptions: { coupon: string; code: string | null }[]
  setup_intent: null
  shipping_address_collection: null
  shipping_cost: null
  shipping_options: []
  status: 'open' | 'complete' | 'expired'
  submit_type: string | null
  subscription: string | null
  subscription_data: {
    billing_mode: 'classic' | 'flexible'
    default_tax_rates: TaxRate[]
    metadata: Metadata
    description: string | null
    trial_period_days: number | null
    trial_end: number | null
    /** What happens at the end of the trial if no card was given. */
    missing_payment_method: MissingPaymentMethod
  }
  success_url: string
  total_details: { amount_discount: number; amount_shipping: number; amount_tax: number }
  ui_mode: 'hosted'
  url: string | null
}

export interface PortalConfiguration extends Base {
  object: 'billing_portal.configuration'
  active: boolean
  application: null
  business_profile: {
    headline: string | null
    privacy_policy_url: string | null
    terms_of_service_url: string | null
  }
  default_return_url: string | null
  features: PortalFeatures
  is_default: boolean
  login_page: { enabled: false; url: null }
  metadata: Metadata
  updated: number
}

export interface PortalSession extends Base {
  object: 'billing_portal.session'
  configuration: string
  customer: string
  flow: null
  locale: string | null
  on_behalf_of: null
  return_url: string | null
  url: string
}

export interface WebhookEndpoint extends Base {
  object: 'webhook_endpoint'
  api_version: string | null
  application: null
  description: string | null
  enabled_events: string[]
  metadata: Metadata
  /** Returned once, by the request that creates the endpoint. */
  secret: string
  status: 'enabled' | 'disabled'
  url: string
  /** Internal: true if the endpoint comes from the options and not from the API. */
  configured: boolean
}

/** A record that an event can be about. */
export type Subject =
  | Charge
  | CheckoutSession
  | Coupon
  | CreditNote
  | Customer
  | Discount
  | Dispute
  | Invoice
  | InvoicePayment
  | PaymentIntent
  | PaymentMethod
  | Price
  | Product
  | PromotionCode
  | Refund
  | Subscription
  | SubscriptionSchedule
  | TaxRate

/** An event with its subject, which `shapes.ts` shows in each version. */
export interface EventRecord extends Base {
  object: 'event'
  type: string
  /** The subject as it was when the event happened. */
  subject: Subject
  /** The subject before the change; only on `*.updated`. */
  before: Subject | null
  request: { id: string | null; idempotency_key: string | null }
}
