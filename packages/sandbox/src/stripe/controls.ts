/**
 * Controls for tests and drills: the actions of a buyer or a bank, and the passing of time.
 *
 * @module
 */

import { SandboxError } from '../errors.ts'
import {
  type Buyer,
  payCheckout,
  settleCheckout,
  settlePayment,
} from './checkout/checkout-payment.ts'
import { advanceDraft, dueDrafts } from './invoices/invoices.ts'
import type { Outcome } from './payments/charging.ts'
import {
  closeDispute,
  type DisputeDetails,
  type DisputeEnd,
  escalateDispute,
  openDispute,
} from './payments/disputes.ts'
import { makeRefund, type RefundOutcome, settleRefund } from './payments/refunds.ts'
import { copy } from './server/copy.ts'
import { type Shown, show } from './server/shapes.ts'
import { find, type Store } from './server/store.ts'
import { expirePendingUpdate } from './subscriptions/pending-expiry.ts'
import {
  announceTrialEnd,
  endSubscription,
  expireSubscription,
  failSubscription,
  renewSubscription,
} from './subscriptions/subscription-life.ts'

/** The way in which a test pays a Checkout Session. */
export interface Payment extends Buyer {
  /** The number of a test card. Null: the session needs none. Default: a card that pays. */
  card?: string | null
  /** Whether the money comes later, as by a bank debit. Default false. */
  delayed?: boolean
}

/** The actions of a test. Each returns the record in the account's API version. */
export interface LifeControls {
  /**
   * Pays a Checkout Session, like its buyer. `card` defaults to 4242…; null pays without a card, if the
   * session requires none. `delayed` pays by a bank debit, which `settleCheckout` ends.
   *
   * @returns the completed session in the account's API version
   * @throws `checkout_session_not_open`, `card_declined` and the other card errors
   */
  completeCheckout(sessionId: string, payment?: Payment): Shown
  /** Ends the debit of a completed session. @throws `invalid_state` if none is being processed */
  settleCheckout(sessionId: string, outcome: Outcome): Shown
  /**
   * Ends a payment that is processing, or that its buyer has to confirm with the bank.
   *
   * @throws `invalid_state` if the payment waits for neither
   */
  settlePayment(paymentIntentId: string, outcome: Outcome): Shown
  /** Announces that a trial ends in three days. @throws `invalid_state` if there is no trial */
  trialWillEnd(subscriptionId: string): Shown
  /**
   * Ends the current period: the next period begins and is charged, or a scheduled end takes effect. A trial
   * that ends without a card follows the subscription's `trial_settings`.
   */
  renew(subscriptionId: string): Shown
  /**
   * Ends the hour during which a renewal's invoice is a draft: the invoice is finalized and charged. See the
   * setting `renewals`. @throws `invalid_state` if the invoice is not a draft
   */
  finalizeInvoice(invoiceId: string): Shown
  /** Does the same for every draft whose hour is over by the clock. @returns the invoices */
  finalizeDue(): Shown[]
  /** Makes the next payment fail; the subscription is then past due. @returns the open invoice */
  failPayment(subscriptionId: string): Shown
  /** Expires a change that waits for its payment; see `pending_if_incomplete`. */
  expireUpdate(subscriptionId: string): Shown
  /** Ends a subscription now, as Stripe does after the last failed retry. */
  endSubscription(subscriptionId: string): Shown
  /**
   * Ends the 23 hours in which a first payment can be made: the subscription becomes `incomplete_expired` and
   * its invoice void. @throws `invalid_state` if the subscription is not incomplete
   */
  expireSubscription(subscriptionId: string): Shown

  /**
   * Refunds a payment, as a person does at Stripe's dashboard. Default: all that is left of it.
   *
   * @throws `charge_already_refunded` and the other errors of a refund
   */
  refund(
    paymentIntentId: string,
    details?: {
      /** In minor units. Default: all that is left. */
      amount?: number
    },
  ): Shown
  /**
   * Ends a refund. `failed` returns its amount to the charge, for `reason`, even if the refund had succeeded
   * before; `canceled` ends a refund in `requires_action` that the buyer never completed.
   *
   * @throws `invalid_state` if the refund has already ended
   */
  settleRefund(refundId: string, outcome: RefundOutcome, reason?: string): Shown
  /**
   * Disputes a charge as its bank, or inquires about it. The charge is named by its own id or its intent's.
   *
   * @throws `invalid_state` for a charge that was not paid or is already disputed
   */
  dispute(chargeOrIntentId: string, details?: DisputeDetails): Shown
  /** The bank escalates an inquiry to a dispute. @throws `invalid_state` if it is not an open inquiry */
  escalateDispute(disputeId: string): Shown
  /**
   * The bank closes a dispute. A won dispute returns the money; an inquiry becomes `warning_closed`.
   *
   * @throws `invalid_state`
   */
  closeDispute(disputeId: string, status: DisputeEnd): Shown
}

/** The charge of a payment. @throws `invalid_state` where the payment has not succeeded */
function paidCharge(store: Store, paymentIntentId: string) {
  const { latest_charge: charge, status } = find(store, 'paymentIntents', paymentIntentId)
  if (status === 'succeeded' && charge !== null) return find(store, 'charges', charge)
  const message = `The payment ${paymentIntentId} is ${status}, so it cannot be refunded.`
  throw new SandboxError('invalid_state', 409, message)
}

/** Creates the controls: the actions of a buyer or a bank, and the passing of time. */
export function lifeControls({
  store,
  onChange,
}: {
  store: Store
  onChange(): void
}): LifeControls {
  const act = (run: () => object): Shown => {
    try {
      return show(copy(run()), store.apiVersion)
    } finally {
      onChange()
    }
  }
  const subscriptionOf = (id: string) => find(store, 'subscriptions', id)
  return {
    completeCheckout(sessionId: string, payment: Payment = {}): Shown {
      const { card: number = '4242424242424242', delayed = false, ...buyer } = payment
      const entry = delayed ? 'debit' : number === null ? null : { number }
      return act(() => payCheckout(store, sessionId, entry, buyer))
    },
    settleCheckout: (id, outcome): Shown => act(() => settleCheckout(store, id, outcome)),
    settlePayment: (id, outcome): Shown =>
      act(() => {
        const intent = find(store, 'paymentIntents', id)
        settlePayment(store, intent, outcome)
        return intent
      }),
    renew: (id: string): Shown =>
      act(() => {
        const subscription = subscriptionOf(id)
        renewSubscription(store, subscription)
        return subscription
      }),
    finalizeInvoice: (id: string): Shown =>
      act(() => {
        const invoice = find(store, 'invoices', id)
        if (invoice.status === 'draft') return advanceDraft(store, invoice)
        const message = `Invoice ${id} is ${invoice.status} and not a draft.`
        throw new SandboxError('invalid_state', 409, message)
      }),
    finalizeDue: (): Shown[] => {
      const made: Shown[] = []
      for (const { id } of dueDrafts(store)) {
        made.push(act(() => advanceDraft(store, find(store, 'invoices', id))))
      }
      return made
    },
    trialWillEnd: (id: string): Shown => act(() => announceTrialEnd(store, subscriptionOf(id))),
    failPayment: (id: string): Shown => act(() => failSubscription(store, subscriptionOf(id))),
    expireUpdate: (id: string): Shown =>
      act(() => {
        const subscription = subscriptionOf(id)
        expirePendingUpdate(store, subscription)
        return subscription
      }),
    endSubscription: (id: string): Shown =>
      act(() => endSubscription(store, subscriptionOf(id), 'payment_failed')),
    expireSubscription: (id: string): Shown =>
      act(() => expireSubscription(store, subscriptionOf(id))),
    refund: (id, { amount } = {}): Shown =>
      act(() => {
        const charge = paidCharge(store, id)
        return makeRefund(store, charge, {
          amount: amount ?? charge.amount_captured - charge.amount_refunded,
        })
      }),
    dispute: (id, details): Shown => act(() => openDispute(store, id, details)),
    settleRefund: (id, outcome, reason): Shown =>
      act(() => settleRefund(store, id, outcome, reason)),
    escalateDispute: (id): Shown => act(() => escalateDispute(store, id)),
    closeDispute: (id, status): Shown => act(() => closeDispute(store, id, status)),
  }
}
