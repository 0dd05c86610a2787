/**
 * Refunds at Creem, which gives back all that is left of a payment and has no idempotency keys.
 *
 * @module
 */

import { requireAmount } from '../../amounts.ts'
import { BillingError, isBillingError } from '../../errors.ts'
import { text } from '../json.ts'
import type { ProviderPayment, ProviderRefund, RefundInput } from '../provider.ts'
import type { CreemClient } from './client.ts'

/**
 * Refunds all that is left of a payment. A call that repeats one whose answer was lost finds nothing left and
 * answers as the first call would have.
 *
 * @see https://docs.creem.io/api-reference/endpoint/refund-payment
 */
export async function refundAtCreem(
  client: CreemClient,
  retrievePayment: (paymentId: string) => Promise<ProviderPayment>,
  { paymentId, amount, idempotencyKey }: RefundInput,
): Promise<ProviderRefund> {
  if (amount !== undefined) requireAmount(amount)
  const payment = await retrievePayment(paymentId)
  const left = payment.amountPaid - payment.amountRefunded
  const done = (status: ProviderRefund['status'], amount: number): ProviderRefund => ({
    id: null,
    paymentId,
    status,
    amount,
    currency: payment.currency,
  })
  const isDone = left === 0 && payment.amountPaid > 0
  if (isDone && (amount ?? payment.amountPaid) === payment.amountPaid) {
    return done('succeeded', payment.amountPaid)
  }
  requireRefundable(payment, left, amount)
  try {
    const body = { transaction_id: paymentId }
    const { status } = await client.post('/v1/refunds', body, idempotencyKey)
    return done(REFUND[text(status) ?? ''] ?? 'pending', left)
  } catch (error) {
    if (!isBillingError(error, 'provider_rejected')) throw error
    const after = await retrievePayment(paymentId)
    if (after.amountRefunded !== after.amountPaid) throw error
    return done('succeeded', left)
  }
}

/** @throws `refund_exceeds_payment`, and `refund_not_supported` for a part of what is left. */
function requireRefundable(
  payment: Pick<ProviderPayment, 'currency'>,
  left: number,
  amount: number | undefined,
): void {
  if (left === 0 || (amount ?? left) > left) {
    throw new BillingError(
      'refund_exceeds_payment',
      `At most ${left} (minor units) of the payment can still be refunded.`,
      { data: { amountAvailable: left, currency: payment.currency } },
    )
  }
  if ((amount ?? left) < left) {
    const message = `Creem cannot refund a part of a payment. Refund all that is left (${left}).`
    throw new BillingError('refund_not_supported', message)
  }
}

const REFUND: Record<string, ProviderRefund['status']> = {
  succeeded: 'succeeded',
  failed: 'failed',
  canceled: 'failed',
}
