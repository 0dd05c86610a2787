/**
 * The life of a subscription: started, renewed, failed, ended. Every effect of time on a subscription is
 * here, so that code that moves the clock has one module to call.
 *
 * @module
 */

import { SandboxError } from '../../errors.ts'
import { redeem, setDiscounts } from '../catalog/discounts.ts'
import type { LineDraft } from '../invoices/invoice-draft.ts'
import {
  advanceDraft,
  createInvoice,
  defaultCard,
  payInvoice,
  voidInvoice,
} from '../invoices/invoices.ts'
import type { StripeApiError } from '../server/errors.ts'
import type {
  Invoice,
  PaymentMethod,
  PendingLine,
  SchedulePhase,
  Subscription,
} from '../server/objects.ts'
import { change, emit, find, insert, referring, type Store, seconds } from '../server/store.ts'
import { expirePendingUpdate } from './pending-expiry.ts'
import { periodAround, periodEnd } from './periods.ts'
import { remaining } from './plan-change.ts'
import { isSameRhythm, itemLines, rhythm, setPeriod } from './rhythm.ts'
import {
  closeSchedule,
  enterPhase,
  markPhase,
  phaseAt,
  releaseSchedule,
  scheduleOf,
} from './schedule-phases.ts'
import { newSubscription, type SubscriptionDraft } from './subscription-draft.ts'

/** The terms of the first payment. */
export interface FirstPayment {
  /** Null for a customer without a card. */
  card: PaymentMethod | null
  /** Whether the buyer is on the page. */
  isPresent: boolean
  /** Leaves the invoice open for the buyer to pay. */
  isDeferred: boolean
}

/** Whether a subscription is canceled or expired. */
export const isEnded = (subscription: Subscription): boolean =>
  subscription.status === 'canceled' || subscription.status === 'incomplete_expired'

/**
 * Starts a subscription and tries its first payment.
 *
 * @returns the subscription, and the reason if the payment was refused, else null
 */
export function beginSubscription(
  store: Store,
  draft: SubscriptionDraft,
  payment: FirstPayment,
): { subscription: Subscription; refused: StripeApiError | null } {
  const subscription = newSubscription(store, draft)
  const customer = find(store, 'customers', draft.customer)
  const whose = { customer: draft.customer, subscription: subscription.id }
  setDiscounts(store, subscription, redeem(store, draft.redemptions ?? [], whose))
  const { current_period_start: start, current_period_end: end } = subscription
  const invoice = createInvoice(store, customer, {
    subscription,
    reason: 'subscription_create',
    lines: itemLines(subscription),
    period: { start, end: start },
  })
  subscription.latest_invoice = invoice.id
  const refused = payment.isDeferred
    ? null
    : payInvoice(store, invoice, payment.card, payment.isPresent)
  if (subscription.trial_end === null)
    subscription.status = isPayingOff(store, invoice) ? 'active' : 'incomplete'
  if (draft.cancelAtPeriodEnd) subscription.cancel_at = end
  insert(store, 'subscriptions', subscription)
  emit(store, 'customer.subscription.created', subscription)
  // A trial's end is announced three days before, so a shorter trial is announced at once.
  const trialLeft = (subscription.trial_end ?? 0) - seconds(store)
  if (subscription.status === 'trialing' && trialLeft < 3 * 86_400) {
    emit(store, 'customer.subscription.trial_will_end', subscription)
  }
  return { subscription, refused }
}

/**
 * Ends the current period: a scheduled cancellation takes effect, or the next period begins, is invoiced and
 * charged. `card` overrides the stored card.
 *
 * @returns the invoice of the new period; null if the subscription ended or was paused instead
 * @throws `invalid_state` if the subscription has already ended, never started or is paused
 */
export function renewSubscription(
  store: Store,
  subscription: Subscription,
  card = defaultCard(store, subscription.customer, subscription),
): Invoice | null {
  if (isEnded(subscription) || ['incomplete', 'paused'].includes(subscription.status)) {
    throw new SandboxError(
      'invalid_state',
      409,
      `Subscription ${subscription.id} is ${subscription.status} and does not renew.`,
    )
  }
  expirePendingUpdate(store, subscription)
  const start = subscription.current_period_end
  if (subscription.cancel_at_period_end || (subscription.cancel_at ?? Infinity) <= start) {
    const done = scheduleOf(store, subscription)
    if (done) closeSchedule(store, done, subscription, 'completed')
    endSubscription(store, subscription, 'cancellation_requested')
    return null
  }
  if (subscription.status === 'trialing' && card === null && isDueAfterTrial(subscription)) {
    const then = subscription.trial_settings.end_behavior.missing_payment_method
    if (then === 'cancel') endSubscription(store, subscription, null)
    if (then === 'pause') pauseSubscription(store, subscription)
    if (then !== 'create_invoice') return null
  }
  const schedule = scheduleOf(store, subscription)
  const phase = schedule && phaseAt(schedule, start)
  const previousStart = subscription.current_period_start
  const pending = subscription.pending_lines
  const customer = find(store, 'customers', subscription.customer)
  let keepsAnchor = false
  let isWithin = false
  change(store, 'customer.subscription.updated', subscription, (current) => {
    if (phase && phase.start_date !== schedule.current_phase?.start_date) {
      const before = rhythm(current)
      enterPhase(store, current, phase)
      const isOther = !isSameRhythm(before, rhythm(current))
      const isFlexible = current.billing_mode.type === 'flexible'
      keepsAnchor = isOther && isFlexible && phase.billing_cycle_anchor !== 'phase_start'
      const isMoved = isOther || phase.billing_cycle_anchor === 'phase_start'
      if (isMoved && !keepsAnchor) current.billing_cycle_anchor = start
    }
    const { billing_cycle_anchor: anchor } = current
    // In flexible billing mode another interval keeps the anchor, and the phase may begin within a period.
    const around = keepsAnchor ? periodAround(anchor, start, rhythm(current)) : null
    isWithin = around !== null && around.start < start
    if (around && isWithin) setPeriod(current, around.start, around.end)
    else setPeriod(current, start, periodEnd(start, anchor, rhythm(current)))
    if (current.status === 'trialing') current.status = 'active'
    if ((current.pause_collection?.resumes_at ?? Infinity) <= start) current.pause_collection = null
    current.pending_lines = []
  })
  if (phase) markPhase(store, schedule, start)
  else if (schedule) releaseSchedule(store, schedule)
  const rest = isWithin ? restOfPeriod(store, subscription, phase?.proration_behavior, start) : null
  if (rest && phase?.proration_behavior !== 'always_invoice') {
    // Nothing is due before the period ends: the price of its rest waits for that invoice.
    subscription.pending_lines = [...pending, ...rest]
    return null
  }
  const invoice = createInvoice(store, customer, {
    subscription,
    reason: 'subscription_cycle',
    lines: [
      ...prorated(subscription, pending),
      ...(rest ? prorated(subscription, rest) : itemLines(subscription)),
    ],
    period: { start: previousStart, end: start },
  })
  subscription.latest_invoice = invoice.id
  payInvoice(store, invoice, card)
  return invoice
}

/** Whether an invoice is paid, or is being paid by a debit that lets its subscription start. */
const isPayingOff = (store: Store, invoice: Invoice): boolean =>
  invoice.paid ||
  (store.settings.firstDebit === 'active' &&
    store.tables.paymentIntents.get(invoice.payment_intent ?? '')?.status === 'processing')

const isDueAfterTrial = (subscription: Subscription): boolean =>
  subscription.items.data.some((item) => item.price.unit_amount * item.quantity > 0)

/** Pauses a subscription whose trial ended without a card, until it is resumed. */
function pauseSubscription(store: Store, subscription: Subscription): void {
  change(store, 'customer.subscription.updated', subscription, (current) => {
    current.status = 'paused'
  })
  emit(store, 'customer.subscription.paused', subscription)
}

/** Announces the end of a trial, as Stripe does three days before. @throws `invalid_state` */
export function announceTrialEnd(store: Store, subscription: Subscription): Subscription {
  if (subscription.status !== 'trialing') {
    const message = `Subscription ${subscription.id} is ${subscription.status} and not on trial.`
    throw new SandboxError('invalid_state', 409, message)
  }
  emit(store, 'customer.subscription.trial_will_end', subscription)
  return subscription
}

/**
 * Makes the next payment fail. An open invoice is tried again; without one, the subscription renews and its
 * charge is declined.
 *
 * @returns the invoice that stays open
 */
export function failSubscription(store: Store, subscription: Subscription): Invoice {
  const own = defaultCard(store, subscription.customer, subscription)
  const card: PaymentMethod | null = own && { ...own, behaviour: 'generic_decline' }
  const latest = store.tables.invoices.get(subscription.latest_invoice ?? '')
  if (!isEnded(subscription)) {
    if (latest?.status === 'draft') return advanceDraft(store, latest, card)
    if (latest?.status === 'open') {
      payInvoice(store, latest, card)
      return latest
    }
  }
  const invoice = renewSubscription(store, subscription, card)
  if (invoice) advanceDraft(store, invoice, card)
  if (invoice === null || invoice.paid) {
    throw new SandboxError(
      'invalid_state',
      409,
      `Subscription ${subscription.id} had nothing to pay, so no payment could fail.`,
    )
  }
  return invoice
}

/**
 * Ends the time for the first payment: the subscription expires and its invoice is void. A debit that
 * completes later changes neither.
 *
 * @throws `invalid_state` if the subscription is not incomplete
 */
export function expireSubscription(store: Store, subscription: Subscription): Subscription {
  if (subscription.status !== 'incomplete') {
    const message = `Subscription ${subscription.id} is ${subscription.status} and not incomplete.`
    throw new SandboxError('invalid_state', 409, message)
  }
  const invoice = store.tables.invoices.get(subscription.latest_invoice ?? '')
  if (invoice?.status === 'open') voidInvoice(store, invoice)
  return change(store, 'customer.subscription.updated', subscription, (current) => {
    current.status = 'incomplete_expired'
    current.ended_at = seconds(store)
  })
}

/** Ends a subscription now. An ended subscription is unchanged. */
export function endSubscription(
  store: Store,
  subscription: Subscription,
  reason: 'cancellation_requested' | 'payment_failed' | null,
): Subscription {
  if (isEnded(subscription)) return subscription
  expirePendingUpdate(store, subscription)
  const now = seconds(store)
  subscription.status = 'canceled'
  subscription.ended_at = now
  subscription.canceled_at ??= now
  subscription.cancellation_details = { ...subscription.cancellation_details, reason }
  const schedule = scheduleOf(store, subscription)
  subscription.schedule = null
  stopCollecting(store, subscription)
  emit(store, 'customer.subscription.deleted', subscription)
  if (schedule) releaseSchedule(store, schedule)
  return subscription
}

/** Stops collecting an ended subscription: its unpaid invoices are no longer finalized or charged automatically. */
function stopCollecting(store: Store, subscription: Subscription): void {
  for (const invoice of referring(store, 'invoices', 'subscription', subscription.id)) {
    if (invoice.status !== 'draft' && invoice.status !== 'open') continue
    change(store, 'invoice.updated', invoice, (current) => {
      current.auto_advance = false
      current.automatically_finalizes_at = null
      current.next_payment_attempt = null
    })
  }
}

/** The invoice lines of a change within a period. */
const prorated = (subscription: Subscription, lines: readonly PendingLine[]): LineDraft[] =>
  lines.map((line) => ({
    ...line,
    proration: true,
    item: subscription.items.data[0]?.id ?? null,
  }))

/** The price of the rest of the current period for new items; empty if it is not prorated. */
function restOfPeriod(
  store: Store,
  subscription: Subscription,
  proration: SchedulePhase['proration_behavior'] | undefined,
  at: number,
): PendingLine[] {
  if (proration === undefined || proration === 'none') return []
  return remaining(store, subscription, subscription.items.data, 1, at)
}
