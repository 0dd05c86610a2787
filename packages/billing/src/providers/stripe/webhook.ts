/**
 * Stripe's webhook: the events that it tells of, their signature, and what the envelope of one says.
 *
 * @see https://docs.stripe.com/webhooks
 * @module
 */

import Stripe from 'stripe'
import { BillingError } from '../../errors.ts'
import { nameOrNull, type ReceivedEvent, requireName } from '../received.ts'
import { dateOf, idOf, record } from './shapes.ts'

/** How far a signature's time may be off, before or after now. Stripe's own tolerance. */
const TOLERANCE_SECONDS = 300

/**
 * The events that change what we store, by their whole names, as an endpoint at Stripe asks for them.
 * All others are kept and ignored; a later one of these, or a repair, loads the same state.
 */
export const LISTENED = [
  // A plan or an item was bought, at once or by a slow payment, or given up.
  'checkout.session.async_payment_failed',
  'checkout.session.async_payment_succeeded',
  'checkout.session.completed',
  'checkout.session.expired',
  'customer.deleted',
  'customer.updated',
  // It began, changed, paused, is about to leave its trial, ended.
  'customer.subscription.created',
  'customer.subscription.deleted',
  'customer.subscription.paused',
  'customer.subscription.pending_update_applied',
  'customer.subscription.pending_update_expired',
  'customer.subscription.resumed',
  'customer.subscription.trial_will_end',
  'customer.subscription.updated',
  // What it changes to at the end of a period.
  'subscription_schedule.aborted',
  'subscription_schedule.canceled',
  'subscription_schedule.completed',
  'subscription_schedule.created',
  'subscription_schedule.released',
  'subscription_schedule.updated',
  // Asked for, paid, failed, waiting for the bank's question.
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
  // What a plan is called and sold as.
  'price.updated',
  'product.updated',
  // A one-time payment.
  'payment_intent.amount_capturable_updated',
  'payment_intent.canceled',
  'payment_intent.payment_failed',
  'payment_intent.processing',
  'payment_intent.requires_action',
  'payment_intent.succeeded',
  // Money back. Before 2024-10-28 a card's refund that changes is told of by the second alone.
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

export type ListenedEvent = (typeof LISTENED)[number]

/** Events that earlier API versions do not have, and since when there are any. */
const SINCE: { [Type in ListenedEvent]?: string } = { 'refund.failed': '2024-10-28' }

/** Those of `LISTENED` that an endpoint of this API version can ask for. */
export const listenedIn = (apiVersion: string): ListenedEvent[] =>
  LISTENED.filter((type) => (SINCE[type] ?? '') <= apiVersion.slice(0, 10))

const listened: ReadonlySet<string> = new Set(LISTENED)

/**
 * What a delivery says, once it is known to be Stripe's.
 *
 * @throws `missing_signature`, `invalid_signature`, `stale_signature`, `invalid_payload`.
 */
export function verifyStripe(
  secrets: readonly string[],
  headers: Headers,
  payload: string,
): unknown {
  const header = headers.get('stripe-signature')
  if (!header) throw new BillingError('missing_signature', 'There is no Stripe-Signature header.')
  const event = constructEvent(secrets, payload, header)
  requireFresh(header)
  return event
}

/**
 * An event of Stripe's as one to store.
 *
 * @throws `invalid_payload` unless it is one: a signed `null` passes Stripe's own check.
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
    // Stripe names the account where the event is one of a connected account.
    ...(typeof event.account === 'string' && event.account !== ''
      ? { foreign: 'connected_account' as const }
      : {}),
  }
}

function constructEvent(secrets: readonly string[], payload: string, header: string): unknown {
  // The SDK fails on an empty signature with an error like that of a signed body which is no event.
  const isEmpty = /v1=\s*(,|$)/.test(header)
  for (const secret of isEmpty ? [] : secrets) {
    try {
      // Verification needs no key; the age is checked by us, because Stripe checks only one side.
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
  throw new BillingError('invalid_signature', 'The signature does not fit the body.')
}

const webhooks = () => Stripe.webhooks

/** The signature is over the header's own time. One that has several says two things: of which age, and which is signed. */
function requireFresh(header: string): void {
  const times = header.split(',').filter((part) => /^\s*t\s*=/.test(part))
  const [, time] = times.length === 1 ? (/^t=(\d{1,12})$/.exec(times[0] as string) ?? []) : []
  if (time === undefined) {
    throw new BillingError('invalid_signature', 'The signature has no time, or several.')
  }
  const seconds = Number(time)
  const off = Math.abs(Date.now() / 1000 - seconds)
  if (off <= TOLERANCE_SECONDS) return
  throw new BillingError(
    'stale_signature',
    `The signature's time is ${Math.round(off)} s off; ${TOLERANCE_SECONDS} s are allowed.`,
  )
}
