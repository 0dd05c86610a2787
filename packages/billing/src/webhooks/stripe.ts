/**
 * Stripe's webhook: verified and stored. What its events ask for is in `stripe-sync.ts`.
 *
 * @see https://docs.stripe.com/webhooks
 * @module
 */

import Stripe from 'stripe'
import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'
import { dateOf, idOf, record } from '../shapes.ts'
import { nameOrNull, type ReceivedEvent, receive, requireName } from './ingest.ts'

/** How far a signature's time may be off, before or after now. Stripe's own tolerance. */
const TOLERANCE_SECONDS = 300

/** The events that change what we store. A word that ends with a dot stands for all that begin so. */
export const LISTENED = [
  'checkout.session.', // a plan or an item was bought, at once or by a slow payment, or given up
  'customer.updated',
  'customer.deleted',
  'customer.subscription.', // it began, changed, paused, is about to leave its trial, ended
  'subscription_schedule.', // what it changes to at the end of a period
  'invoice.', // asked for, paid, failed, waiting for the bank's question
  'payment_intent.', // a one-time payment
  'charge.refunded',
  'charge.dispute.',
  'refund.',
] as const

/** Not about anything that exists yet. */
const UNHEARD = new Set(['invoice.upcoming', 'payment_intent.created'])

const isListened = (type: string): boolean =>
  !UNHEARD.has(type) &&
  LISTENED.some((word) => (word.endsWith('.') ? type.startsWith(word) : type === word))

/** Handles one delivery. Mount it where the raw body arrives, as `POST /api/webhooks/stripe`. */
export const handleStripeWebhook = (ctx: BillingContext, req: Request): Promise<Response> =>
  receive(ctx, req, 'stripe', verify)

/**
 * @throws `missing_signature`, `invalid_signature`, `stale_signature`, `invalid_payload` for a body
 * that is signed and yet no event: a signed `null` passes Stripe's own check.
 */
function verify(ctx: BillingContext, headers: Headers, payload: string): ReceivedEvent {
  const header = headers.get('stripe-signature')
  if (!header) throw new BillingError('missing_signature', 'There is no Stripe-Signature header.')
  const event = readStripeEvent(constructEvent(ctx.stripeWebhookSecrets, payload, header), payload)
  requireFresh(header)
  return event
}

/** An event of Stripe's as one to store. @throws `invalid_payload` unless it is one. */
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
    isListened: isListened(type),
  }
}

function constructEvent(secrets: readonly string[], payload: string, header: string): unknown {
  for (const secret of secrets) {
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

function requireFresh(header: string): void {
  const seconds = Number(/(?:^|,)\s*t=(\d+)/.exec(header)?.[1])
  const off = Math.abs(Date.now() / 1000 - seconds)
  if (off <= TOLERANCE_SECONDS) return
  throw new BillingError(
    'stale_signature',
    `The signature's time is ${Math.round(off)} s off; ${TOLERANCE_SECONDS} s are allowed.`,
  )
}
