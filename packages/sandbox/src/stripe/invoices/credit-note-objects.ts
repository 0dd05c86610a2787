/**
 * Records of credit notes; see `objects.ts`.
 *
 * @module
 */

import type { Tax, TaxRate } from '../catalog/tax-objects.ts'
import type { Base, Embedded, Metadata } from '../server/base-objects.ts'

export interface CreditNoteLine {
  id: string
  object: 'credit_note_line_item'
  amount: number
  description: string | null
  discount_amount: number
  discount_amounts: { amount: number; discount: string }[]
  /** Absent on a line that belongs to no invoice line. */
  invoice_line_item?: string
  livemode: false
  quantity: number | null
  tax_rates: TaxRate[]
  taxes: Tax[]
  type: 'custom_line_item' | 'invoice_line_item'
  unit_amount: number | null
  unit_amount_decimal: string | null
}

export interface CreditNote extends Base {
  object: 'credit_note'
  /** In minor units, including taxes. */
  amount: number
  amount_shipping: number
  currency: string
  customer: string
  customer_balance_transaction: string | null
  discount_amount: number
  discount_amounts: { amount: number; discount: string }[]
  effective_at: number | null
  invoice: string
  lines: Embedded<CreditNoteLine>
  memo: string | null
  metadata: Metadata
  number: string
  out_of_band_amount: number | null
  pdf: string
  /** The credited part that was already paid, and the credited part that was not. */
  post_payment_amount: number
  pre_payment_amount: number
  reason: string | null
  refunds: { refund: string; amount_refunded: number; type: 'refund' }[]
  shipping_cost: null
  status: 'issued' | 'void'
  subtotal: number
  subtotal_excluding_tax: number
  total: number
  total_excluding_tax: number
  total_taxes: Tax[]
  type: 'mixed' | 'post_payment' | 'pre_payment'
  voided_at: number | null
}
