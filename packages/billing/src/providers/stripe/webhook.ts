/**
 * Stripe's webhook: the events that billing listens to, the check of signatures, and the reading of an event.
 *
 * @see https://docs.stripe.com/webhooks
 * @module
 */

import Stripe from 'stripe'
import { BillingError } from '../../errors.ts'
import { idOf, record } from '../json.ts'
import { nameOrNull, type ReceivedEvent, requireName } from '../received.ts'
import { dateOf } from './shapes.ts'

/** How far a signature's time may be before or after now: the default of Stripe's SDK. */
const TOLERANCE_SECONDS = 300

/** Headers whose signature has the right form and time, and is wrong. */
export const forgedHeaders = (): Headers =>
  new Headers({
    'stripe-signature': `t=${Math.floor(Date.now() / 1000)},v1=${'0'.repeat(64)}`,
  })

/**
 * The types of events that change the rows we store, as a webhook endpoint at Stripe lists them. Events of other types
 * are stored and ignored: a later event of these types, or a repair, loads the same state.
 */
export const LISTENED = [
  // A checkout was completed, at once or by a delayed payment, or it expired.
  'checkout.session.async_payment_failed',
  'checkout.session.async_payment_succeeded',
  'checkout.session.completed',
  'checkout.session.expired',
  'customer.deleted',
  'customer.updated',
  // A subscription began, changed, was paused or resumed, is about to leave its trial, or ended.
  'customer.subscription.created',
  'customer.subscription.deleted',
  'customer.subscription.paused',
  'customer.subscription.pending_update_applied',
  'customer.subscription.pending_update_expired',
  'customer.subscription.resumed',
  'customer.subscription.trial_will_end',
  'customer.subscription.updated',
  // A scheduled change of a subscription.
  'subscription_schedule.aborted',
  'subscription_schedule.canceled',
  'subscription_schedule.completed',
  'subscription_schedule.created',
  'subscription_schedule.released',
  'subscription_schedule.updated',
  // An invoice was made, paid or voided, failed, or waits for the card's holder.
  'invoice.created',
  'invoice.deleted',
  'invoice.finalization_failed',
  'invoice.finalized',
  'invoice.marked_uncollectible',
  'invoice.paid',
  'invoice.payment_action_required',
  'invoice.payment_failed',
  'invoice.payment_succeeded',
  'invoice.updated',
  'invoice.voided',
  // A credit note gave back a part of an invoice; it says which invoice a refund belongs to.
  'credit_note.created',
  'credit_note.updated',
  'credit_note.voided',
  // A plan's name or price.
  'price.updated',
  'product.updated',
  // A one-time payment.
  'payment_intent.amount_capturable_updated',
  'payment_intent.canceled',
  'payment_intent.payment_failed',
  'payment_intent.processing',
  'payment_intent.requires_action',
  'payment_intent.succeeded',
  // Refunds and disputes. Before 2024-10-28 only `charge.refund.updated` tells that a card's refund changed.
  'charge.refunded',
  'charge.refund.updated',
  'refund.created',
  'refund.failed',
  'refund.updated',
  'charge.dispute.closed',
  'charge.dispute.created',
  'charge.dispute.funds_reinstated',
  'charge.dispute.funds_withdrawn',
  'charge.dispute.updated',
] as const satisfies readonly Stripe.WebhookEndpointCreateParams.EnabledEvent[]

/** A type of event that billing listens to. */
export type ListenedEvent = (typeof LISTENED)[number]

/** The first API version that has an event, where earlier versions do not have it. */
const SINCE: { [Type in ListenedEvent]?: string } = { 'refund.failed': '2024-10-28' }

/** The types of `LISTENED` that an endpoint of this API version can list. */
export const listenedIn = (apiVersion: string): ListenedEvent[] =>
  LISTENED.filter((type) => (SINCE[type] ?? '') <= apiVersion.slice(0, 10))

const listened: ReadonlySet<string> = new Set(LISTENED)

/**
 * Verifies that a delivery is Stripe's, and returns its parsed body.
 *
 * @throws `missing_signature`, `invalid_signature`, `stale_signature`, `invalid_payload`.
 */
export function verifyStripe(
  secrets: readonly string[],
  headers: Headers,
  payload: string,
): unknown {
  const header = headers.get('stripe-signature')
  if (!header) {
    throw new BillingError('missing_signature', 'The Stripe-Signature header is missing.')
  }
  const event = constructEvent(secrets, payload, header)
  requireFresh(header)
  return event
}

/**
 * Reads an event of Stripe into the form in which it is stored.
 *
 * @throws `invalid_payload` unless the body is an event. The SDK's own check lets a signed `null` pass.
 */
export function readStripeEvent(parsed: unknown, payload: string): ReceivedEvent {
  const event = record(parsed)
  const object = record(record(event?.data)?.object)
  if (event?.object !== 'event' || !object) {
    throw new BillingError('invalid_payload', 'The body is signed but is not an event.')
  }
  const type = requireName(event.type)
  return {
    provider: 'stripe',
    eventId: requireName(event.id),
    type,
    subject: nameOrNull(idOf(object.object === 'customer' ? object : object.customer)),
    providerCreatedAt: dateOf(event.created),
    apiVersion: nameOrNull(event.api_version),
    livemode: typeof event.livemode === 'boolean' ? event.livemode : null,
    payload,
    isListened: listened.has(type),
    // Stripe names the account in the events of connected accounts.
    ...(typeof event.account === 'string' && event.account !== ''
      ? { foreign: 'connected_account' as const }
      : {}),
  }
}

function constructEvent(secrets: readonly string[], payload: string, header: string): unknown {
  // For an empty signature the SDK throws the same error as for a signed body that is not an event.
  const isEmpty = /v1=\s*(,|$)/.test(header)
  for (const secret of isEmpty ? [] : secrets) {
    try {
      // The age is checked by `requireFresh`, because the SDK does not refuse times in the future.
      return webhooks().constructEvent(payload, header, secret, Number.MAX_SAFE_INTEGER)
    } catch (error) {
      if (error instanceof SyntaxError) {
        throw new BillingError('invalid_payload', 'The body is signed but is not JSON.')
      }
      if ((error as { type?: unknown }).type !== 'StripeSignatureVerificationError') {
        throw new BillingError('invalid_payload', 'The body is signed but is not an event.')
      }
    }
  }
  throw new BillingError('invalid_signature', 'The signature does not match the body.')
}

const webhooks = () => Stripe.webhooks

/**
 * Checks the time of the signature, which is part of what is signed. A header with several times is refused,
 * because the checked time may not be the signed time.
 *
 * @throws `invalid_signature`, `stale_signature`.
 */
function requireFresh(header: string): void {
  const times = header.split(',').filter((part) => /^\s*t\s*=/.test(part))
  const [, time] = times.length === 1 ? (/^t=(\d{1,12})$/.exec(times[0] as string) ?? []) : []
  if (time === undefined) {
    throw new BillingError('invalid_signature', 'The signature must have exactly one time.')
  }
  const seconds = Number(time)
  const off = Math.abs(Date.now() / 1000 - seconds)
  if (off <= TOLERANCE_SECONDS) return
  throw new BillingError(
    'stale_signature',
    `The signature's time is ${Math.round(off)} s off; ${TOLERANCE_SECONDS} s are allowed.`,
  )
}
