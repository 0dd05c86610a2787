/**
 * Computes how many credits refunds and disputes claw back, from the provider's totals and from earlier
 * clawbacks. Partial refunds take the refunded share of all credits, rounded down over all refunds together,
 * so their sum never exceeds the credits and a full refund takes exactly all. Disputes take the share of the money
 * that they hold, or the rest where they hold all of it, and restore it if they are won.
 *
 * @module
 */

import type { ProviderPayment } from '../providers/provider.ts'
import { holdsMoney } from '../providers/stripe/invoice-money.ts'
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
> & {
  /**
   * What each dispute's clawback took, the oldest first; 0 if it was restored. Default: the newest has taken all of
   * `creditsDisputed`, as an order stores it.
   */
  disputeSteps?: readonly number[]
}

/** The paid, refunded and disputed amounts of a payment. */
export type Paid = Pick<
  ProviderPayment,
  'amountPaid' | 'amountRefunded' | 'disputeId' | 'disputeStatus'
> & {
  /** The amount that disputes hold or have taken, in minor units. Default: everything that is not refunded. */
  amountDisputed?: number
}

/** The steps that bring the clawbacks in line with the payment. `lapsed` credits have expired and are not taken. */
export function clawbackOf(order: ClawedBack & { lapsed?: number }, payment: Paid): Clawback {
  const { credits, lapsed = 0 } = order
  const steps: Step[] = []
  const refunds = [...order.creditsRefunded]
  const held = order.disputeSteps ? [...order.disputeSteps] : stepsOf(order)
  const share = holdsMoney(payment.disputeStatus) ? disputedShare(credits, payment) : 0
  const restoreDownTo = (target: number) => {
    for (let index = held.length - 1; sum(held) > target && index >= 0; index -= 1) {
      const undone = held[index] ?? 0
      if (undone === 0 || order.disputeId === null) continue
      const disputeNumber = index + 1
      const dispute = nameOf(order.disputeId, disputeNumber)
      steps.push({ kind: 'dispute_won', disputeNumber, dispute, credits: undone })
      held[index] = 0
    }
  }
  // The newest clawbacks are undone, whichever dispute was won, and the share that is still disputed is taken
  // again.
  restoreDownTo(share)
  const disputed = sum(held)
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
  const left = () => Math.min(credits - lapsed - sum(refunds), share) - sum(held)
  if (left() > 0 && payment.disputeId !== null) {
    // An order stores one sum, so all of it is taken under the newest number.
    if (!order.disputeSteps) restoreDownTo(0)
    const taken = left()
    held.push(taken)
    const dispute = nameOf(payment.disputeId, held.length)
    steps.push({ kind: 'dispute', disputeNumber: held.length, dispute, credits: taken })
  }
  const creditsDisputed = sum(held)
  return { creditsRefunded: refunds, creditsDisputed, disputes: held.length, steps }
}

/** The steps of an order's disputes: all but the newest were restored. */
const stepsOf = ({ creditsDisputed, disputes }: ClawedBack): number[] =>
  Array.from({ length: disputes }, (_, index) => (index === disputes - 1 ? creditsDisputed : 0))

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

/** The most credits that disputes take: all if no other money is left, else the share that they hold. */
function disputedShare(
  credits: number,
  { amountPaid, amountRefunded, amountDisputed }: Paid,
): number {
  const isAll = amountDisputed === undefined || amountRefunded + amountDisputed >= amountPaid
  return isAll ? credits : shareOf(credits, { amountPaid, amountRefunded: amountDisputed })
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)
