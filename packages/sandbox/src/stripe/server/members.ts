/**
 * Members that Stripe returns and that have no meaning in the stand-in: null, empty, or constant. A host may
 * read any of them, so every response is completed with them. Members that a version does not have are
 * removed.
 *
 * @module
 */

/** Values for both shapes, and for the old or the new shape alone. */
interface ByShape<Value> {
  both?: Value
  old?: Value
  new?: Value
}

const words = (text: string): string[] => text.split(' ')

const SELF = { type: 'self' }

const chargedCard = {
  both: words('amount_authorized installments mandate three_d_secure wallet'),
  new: words(
    'authorization_code electronic_commerce_indicator network_transaction_id regulated_status transaction_link_id',
  ),
}

/** Members that are null, by their object, or by the path inside an object. */
const NULLS: Record<string, ByShape<string[]>> = {
  'billing_portal.session': { new: ['customer_account'] },
  charge: {
    both: words(
      'application application_fee application_fee_amount balance_transaction calculated_statement_descriptor failure_balance_transaction fraud_details on_behalf_of receipt_email receipt_number review shipping source source_transfer statement_descriptor statement_descriptor_suffix transfer_data transfer_group',
    ),
  },
  'charge.billing_details': { new: ['tax_id'] },
  'charge.outcome': { new: words('advice_code network_advice_code network_decline_code') },
  'charge.payment_method_details.card': chargedCard,
  'charge.payment_method_details.sepa_debit': { both: words('bank_code branch_code mandate') },
  'checkout.session': {
    both: words(
      'currency_conversion payment_method_configuration_details saved_payment_method_options',
    ),
    old: ['shipping_details'],
    new: words(
      'adaptive_pricing allowed_payment_method_types collected_information customer_account integration_identifier managed_payments origin_context permissions wallet_options',
    ),
  },
  'checkout.session.automatic_tax': { new: ['provider'] },
  'checkout.session.customer_details': { new: words('business_name individual_name') },
  credit_note: { new: ['customer_account'] },
  dispute: { new: ['intended_submission_method'] },
  invoice: {
    both: words(
      'account_tax_ids application custom_fields customer_shipping footer from_invoice last_finalization_error latest_revision on_behalf_of receipt_number rendering shipping_cost shipping_details statement_descriptor test_clock webhooks_delivered_at',
    ),
    old: words('application_fee_amount quote transfer_data'),
    new: words('customer_account total_pretax_credit_amounts'),
  },
  'invoice.automatic_tax': { new: words('disabled_reason provider') },
  item: { new: words('adjustable_quantity metadata') },
  line_item: {
    old: words('amount_excluding_tax proration_details unit_amount_excluding_tax'),
    new: words('pretax_credit_amounts quantity_decimal'),
  },
  payment_intent: {
    both: words('application_fee_amount payment_method_configuration_details source transfer_data'),
    new: words(
      'allowed_payment_method_types customer_account excluded_payment_method_types managed_payments payment_record',
    ),
  },
  'payment_intent.payment_method_options.card': {
    both: words('installments mandate_options network'),
  },
  payment_method: { new: ['customer_account'] },
  'payment_method.billing_details': { new: ['tax_id'] },
  'payment_method.card': { new: ['regulated_status'] },
  'payment_method.sepa_debit': { both: ['generated_from'] },
  plan: {
    both: words('tiers_mode transform_usage trial_period_days'),
    old: ['aggregate_usage'],
    new: ['meter'],
  },
  'price.recurring': { old: ['aggregate_usage'] },
  product: { new: ['tax_details'] },
  refund: { new: ['customer_account'] },
  subscription: {
    both: ['billing_cycle_anchor_config'],
    new: words('customer_account managed_payments'),
  },
  'subscription.automatic_tax': { new: ['disabled_reason'] },
  'subscription.billing_mode': { new: ['flexible'] },
  'subscription.cancellation_details': { new: ['feedback_option'] },
  'subscription.invoice_settings': {
    both: ['account_tax_ids'],
    new: words('custom_fields description footer'),
  },
  'subscription.trial_settings.end_behavior': { new: ['billing_cycle_anchor'] },
  subscription_item: { new: ['current_trial'] },
  subscription_schedule: { new: ['customer_account'] },
  'subscription_schedule.billing_mode': { new: ['flexible'] },
  'subscription_schedule.default_settings.invoice_settings': {
    new: words('custom_fields description footer'),
  },
  'subscription_schedule.phases': { old: ['coupon'] },
  'subscription_schedule.phases.automatic_tax': { new: ['disabled_reason'] },
}

/** Members with a constant value. */
const FIXED: Record<string, ByShape<Record<string, unknown>>> = {
  credit_note: { new: { pretax_credit_amounts: [] } },
  credit_note_line_item: { new: { pretax_credit_amounts: [] } },
  'dispute.evidence_details': { new: { submission_method: 'not_submitted' } },
  'dispute.payment_method_details.card': { new: { network: 'visa' } },
  invoice: {
    both: {
      amount_shipping: 0,
      customer_tax_exempt: 'none',
      default_tax_rates: [],
      issuer: SELF,
      payment_settings: {
        default_mandate: null,
        payment_method_options: null,
        payment_method_types: null,
      },
    },
  },
  subscription: { both: { invoice_settings: { issuer: SELF } }, new: { billing_schedules: [] } },
  subscription_schedule: { new: { pause_schedules: [] } },
}

/** Members that a shape does not have. */
const ABSENT: Record<string, ByShape<string[]>> = {
  dispute: { old: ['enhanced_eligibility_types'] },
  'dispute.evidence': { old: ['enhanced_evidence'] },
  'dispute.evidence_details': { old: ['enhanced_eligibility'] },
  'dispute.payment_method_details.card': { old: ['case_type'] },
  invoice: { old: ['amount_overpaid', 'automatically_finalizes_at'] },
  tax_rate: { old: ['flat_amount', 'rate_type'] },
  refund: { both: ['livemode'], old: words('customer payment_method pending_reason') },
}

type Json = Record<string, unknown>

interface Completion {
  blank: Json
  absent: ReadonlySet<string>
}

/** The members to add and to remove, by object or path, computed once for each shape. */
function completionsOf(shape: 'new' | 'old'): Map<string, Completion> {
  const names = new Set([...Object.keys(NULLS), ...Object.keys(FIXED), ...Object.keys(ABSENT)])
  return new Map(
    [...names].map((name) => {
      const nulls = [...(NULLS[name]?.both ?? []), ...(NULLS[name]?.[shape] ?? [])]
      const fixed = { ...FIXED[name]?.both, ...FIXED[name]?.[shape] }
      const blank = { ...Object.fromEntries(nulls.map((key) => [key, null])), ...fixed }
      const absent = new Set([...(ABSENT[name]?.both ?? []), ...(ABSENT[name]?.[shape] ?? [])])
      return [name, { blank, absent }]
    }),
  )
}

const OLD_SHAPE = completionsOf('old')
const NEW_SHAPE = completionsOf('new')

/** The response with every member of its shape; the record itself is unchanged. */
export const complete = (shown: Json, isNew: boolean): Json =>
  completed(shown, isNew ? NEW_SHAPE : OLD_SHAPE, '')

function completed(value: Json, shape: Map<string, Completion>, path: string): Json {
  const object = value.object
  const name = typeof object === 'string' && object !== 'list' ? object : path
  const { blank, absent } = shape.get(name) ?? NOTHING
  const made: Json = {}
  for (const key of Object.keys(blank)) {
    if (!(key in value)) made[key] = inside(blank[key], shape, `${name}.${key}`)
  }
  for (const key of Object.keys(value)) {
    if (absent.has(key)) continue
    const member = value[key]
    made[key] = key === 'metadata' ? member : inside(member, shape, `${name}.${key}`)
  }
  return made
}

const NOTHING: Completion = { blank: {}, absent: new Set() }

function inside(member: unknown, shape: Map<string, Completion>, path: string): unknown {
  if (typeof member !== 'object' || member === null) return member
  if (Array.isArray(member)) return member.map((item: unknown) => inside(item, shape, path))
  return completed(member as Json, shape, path)
}
