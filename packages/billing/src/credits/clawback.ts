/**
 * Computes how many credits refunds and disputes claw back, from the provider's totals and from earlier
 * clawbacks. Partial refunds take the refunded share of all credits, rounded down over all refunds together,
 * so their sum never exceeds the credits and a full refund takes exactly all. A dispute takes the rest and
 * restores it if it is won.
 *
 * @module
 */

import type { ProviderPayment } from '../providers/provider.ts'
import { holdsMoney } from '../providers/stripe/invoice-payments.ts'
import type { Order } from '../rows.ts'

/** One clawback or its reversal. */
export type Step =
  /** `number`: the refund's number among the refunds that took credits, from 1. */
  | { kind: 'refund' | 'refund_failed'; number: number; credits: number }
  /** `disputeNumber`: the dispute's number among the disputes that took credits, from 1. */
  | { kind: 'dispute' | 'dispute_won'; disputeNumber: number; dispute: string; credits: number }

/** The steps, and the clawbacks after them. */
export interface Clawback {
  creditsRefunded: number[]
  creditsDisputed: number
  disputes: number
  /** The steps to make, in this order. */
  steps: Step[]
}

/** The granted credits, and the clawbacks so far. */
export type ClawedBack = Pick<
  Order,
  'credits' | 'creditsRefunded' | 'creditsDisputed' | 'disputeId' | 'disputes'
>
/** What was paid, and what was refunded or disputed of it. */
export type Paid = Pick<
  ProviderPayment,
  'amountPaid' | 'amountRefunded' | 'disputeId' | 'disputeStatus'
> & {
  /** The disputed amount of several payments, in minor units. Default: everything that is not refunded. */
  amountDisputed?: number
}

/** The steps that bring the clawbacks in line with the payment. `lapsed` credits have expired and are not taken. */
export function clawbackOf(order: ClawedBack & { lapsed?: number }, payment: Paid): Clawback {
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
  // After a failed refund the newest clawbacks are undone until no more than the target is taken.
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

/** The dispute's name in keys, numbered from the second on, so that a reopened dispute gets a new key. */
const nameOf = (disputeId: string, number: number): string =>
  number === 1 ? disputeId : `${disputeId}:${number}`

/** The refunded share of the credits, rounded down. */
function shareOf(
  credits: number,
  { amountPaid, amountRefunded }: Pick<Paid, 'amountPaid' | 'amountRefunded'>,
): number {
  if (amountPaid === 0) return 0
  const refunded = Math.min(amountRefunded, amountPaid)
  return Number((BigInt(credits) * BigInt(refunded)) / BigInt(amountPaid))
}

/** The most credits that a dispute takes: all of a single payment, or the disputed share of several payments. */
function disputedShare(
  credits: number,
  { amountPaid, amountRefunded, amountDisputed }: Paid,
): number {
  const isAll = amountDisputed === undefined || amountRefunded + amountDisputed >= amountPaid
  return isAll ? credits : shareOf(credits, { amountPaid, amountRefunded: amountDisputed })
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)
