/**
 * How many of an order's credits refunds and disputes take back, worked out from the provider's totals
 * and from what was taken before. Of a partial refund it is the refunded share of all credits, rounded
 * down over all refunds together: their sum never exceeds the credits, and a full refund takes exactly
 * all. A dispute takes what is left and gives it back if it is won.
 *
 * @module
 */

import type { ProviderPayment } from '../providers/provider.ts'
import { holdsMoney } from '../providers/stripe/invoice-payments.ts'
import type { Order } from '../rows.ts'

export type Step =
  /** The refund's number among those that took any, from 1. */
  | { kind: 'refund' | 'refund_failed'; number: number; credits: number }
  /** The dispute's number likewise. */
  | { kind: 'dispute' | 'dispute_won'; disputeNumber: number; dispute: string; credits: number }

/** What is taken once the steps are done. */
export interface Taking {
  creditsRefunded: number[]
  creditsDisputed: number
  disputes: number
  /** In this order. */
  steps: Step[]
}

/** What was given, and what was taken of it before. */
export type Taken = Pick<
  Order,
  'credits' | 'creditsRefunded' | 'creditsDisputed' | 'disputeId' | 'disputes'
>
/** What was paid, and what of it went back. */
export type Paid = Pick<
  ProviderPayment,
  'amountPaid' | 'amountRefunded' | 'disputeId' | 'disputeStatus'
> & {
  /** What disputes hold of several payments, in minor units. Default: all that is left. */
  amountDisputed?: number
}

/** `lapsed` credits are gone without any refund, and are not taken. */
export function takingOf(order: Taken & { lapsed?: number }, payment: Paid): Taking {
  const { credits, lapsed = 0 } = order
  const steps: Step[] = []
  const refunds = [...order.creditsRefunded]
  let { creditsDisputed: disputed, disputes } = order
  const isHeld = holdsMoney(payment.disputeStatus)
  if (disputed > 0 && !isHeld && order.disputeId !== null) {
    const dispute = nameOf(order.disputeId, disputes)
    steps.push({ kind: 'dispute_won', disputeNumber: disputes, dispute, credits: disputed })
    disputed = 0
  }
  const most = Math.max(credits - lapsed - disputed, sum(refunds))
  const target = Math.min(shareOf(credits, payment), credits - disputed, most)
  // A refund that failed later: the newest are undone until no more is taken than is due.
  for (let index = refunds.length - 1; sum(refunds) > target && index >= 0; index -= 1) {
    const undone = refunds[index] ?? 0
    if (undone === 0) continue
    steps.push({ kind: 'refund_failed', number: index + 1, credits: undone })
    refunds[index] = 0
  }
  const due = target - sum(refunds)
  if (due > 0) {
    refunds.push(due)
    steps.push({ kind: 'refund', number: refunds.length, credits: due })
  }
  const left = Math.min(credits - lapsed - sum(refunds) - disputed, disputedShare(credits, payment))
  if (isHeld && disputed === 0 && left > 0 && payment.disputeId !== null) {
    disputes += 1
    const dispute = nameOf(payment.disputeId, disputes)
    steps.push({ kind: 'dispute', disputeNumber: disputes, dispute, credits: left })
    disputed = left
  }
  return { creditsRefunded: refunds, creditsDisputed: disputed, disputes, steps }
}

/** One that was given up and taken up again takes under another name. */
const nameOf = (disputeId: string, number: number): string =>
  number === 1 ? disputeId : `${disputeId}:${number}`

function shareOf(
  credits: number,
  { amountPaid, amountRefunded }: Pick<Paid, 'amountPaid' | 'amountRefunded'>,
): number {
  if (amountPaid === 0) return 0
  const refunded = Math.min(amountRefunded, amountPaid)
  return Number((BigInt(credits) * BigInt(refunded)) / BigInt(amountPaid))
}

/** Of one payment a dispute takes all that is left; of several, the share of those that are disputed. */
function disputedShare(
  credits: number,
  { amountPaid, amountRefunded, amountDisputed }: Paid,
): number {
  const isAll = amountDisputed === undefined || amountRefunded + amountDisputed >= amountPaid
  return isAll ? credits : shareOf(credits, { amountPaid, amountRefunded: amountDisputed })
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)
