/**
 * Handles for tests and drills: what a buyer, a bank or the passing of time would do.
 *
 * @module
 */

import { SandboxError } from '../errors.ts'
import type { Outcome } from './charging.ts'
import { type Buyer, payCheckout, settleCheckout, settlePayment } from './checkout-payment.ts'
import { copy } from './copy.ts'
import {
  closeDispute,
  type DisputeDetails,
  type DisputeEnd,
  escalateDispute,
  openDispute,
} from './disputes.ts'
import { advanceDraft, dueDrafts } from './invoices.ts'
import { expirePendingUpdate } from './pending-expiry.ts'
import { type RefundOutcome, settleRefund } from './refunds.ts'
import { type Shown, show } from './shapes.ts'
import { find, type Store } from './store.ts'
import {
  announceTrialEnd,
  endSubscription,
  expireSubscription,
  failSubscription,
  renewSubscription,
} from './subscription-life.ts'

/** How a test pays a Checkout Session. */
export type Payment = Buyer & { card?: string | null; delayed?: boolean }

/** What a test can let happen. Each answers the record in the account's API version. */
export interface LifeControls {
  /**
   * Pays a Checkout Session as its buyer would. `card` is 4242… unless given; null gives none, where
   * the session asks for none. `delayed` pays by a bank debit, which `settleCheckout` lets come out.
   *
   * @returns the completed session in the account's API version.
   * @throws `checkout_session_not_open`, `card_declined` and the other card errors
   */
  completeCheckout(sessionId: string, payment?: Payment): Shown
  /** Lets the debit of a completed session come out. @throws `invalid_state` where none is under way */
  settleCheckout(sessionId: string, outcome: Outcome): Shown
  /**
   * Lets a payment come out that is processing, or that its buyer has to confirm with the bank.
   *
   * @throws `invalid_state` where it waits for neither
   */
  settlePayment(paymentIntentId: string, outcome: Outcome): Shown
  /** Announces that a trial ends in three days. @throws `invalid_state` where there is no trial */
  trialWillEnd(subscriptionId: string): Shown
  /**
   * Ends the present period: the next begins and is charged, or a scheduled end takes effect. At a
   * trial's end without a card, the subscription's `trial_settings` say what happens.
   */
  renew(subscriptionId: string): Shown
  /**
   * Lets the hour pass for which the invoice of a renewal is a draft: it is finalized and charged. See the setting
   * `renewals`. @throws `invalid_state` where it is no draft
   */
  finalizeInvoice(invoiceId: string): Shown
  /** The same for every draft whose hour is over by the clock. @returns the invoices */
  finalizeDue(): Shown[]
  /** Lets the next payment fail; the subscription is then past due. @returns the open invoice */
  failPayment(subscriptionId: string): Shown
  /** Lets the time of a change run out that waits for its payment; see `pending_if_incomplete`. */
  expireUpdate(subscriptionId: string): Shown
  /** Ends a subscription now, as Stripe does after the last failed retry. */
  endSubscription(subscriptionId: string): Shown
  /**
   * Lets the 23 hours pass in which a first payment may be made: `incomplete_expired`, its invoice
   * void. @throws `invalid_state` where the subscription is not incomplete
   */
  expireSubscription(subscriptionId: string): Shown

  /**
   * Lets a refund come out. `failed`, also after it had succeeded, gives its amount back to the
   * charge, for `reason`; `canceled` is what a buyer's silence does to one that `requires_action`.
   *
   * @throws `invalid_state` where it came out already
   */
  settleRefund(refundId: string, outcome: RefundOutcome, reason?: string): Shown
  /**
   * A bank disputes a charge, named by its own id or its intent's, or inquires about it.
   *
   * @throws `invalid_state` for what was not paid or is disputed already
   */
  dispute(chargeOrIntentId: string, details?: DisputeDetails): Shown
  /** The bank makes an inquiry a dispute. @throws `invalid_state` where it is no open inquiry */
  escalateDispute(disputeId: string): Shown
  /**
   * The bank decides: a dispute that is won gives the money back, an inquiry is `warning_closed`.
   *
   * @throws `invalid_state`
   */
  closeDispute(disputeId: string, status: DisputeEnd): Shown
}

/** What a buyer, a bank or the passing of time would do. */
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
        const message = `Invoice ${id} is ${invoice.status} and no draft.`
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
    dispute: (id, details): Shown => act(() => openDispute(store, id, details)),
    settleRefund: (id, outcome, reason): Shown =>
      act(() => settleRefund(store, id, outcome, reason)),
    escalateDispute: (id): Shown => act(() => escalateDispute(store, id)),
    closeDispute: (id, status): Shown => act(() => closeDispute(store, id, status)),
  }
}
