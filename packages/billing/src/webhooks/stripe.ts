/**
 * Stripe's webhook. An event is a hint about whom to sync and never the truth: payloads are not
 * applied, so their order, their number and their API version do not matter.
 *
 * @see https://docs.stripe.com/webhooks
 * @module
 */

import { toResponse } from '@repo/core'
import Stripe from 'stripe'
import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'
import { dateOf, idOf } from '../shapes.ts'
import { ask, isMissing } from '../stripe.ts'
import { syncCustomer } from '../sync.ts'
import { type Outcome, readBody, receive } from './events.ts'

/** How far a signature's time may be off, before or after now. Stripe's own tolerance. */
const TOLERANCE_SECONDS = 300

/** The events that change what we store, and why we listen. */
const LISTENED = new Set([
  'checkout.session.completed', // a plan or an item was bought
  'customer.subscription.created', // the subscription exists
  'customer.subscription.updated', // plan, period, status or scheduled end changed
  'customer.subscription.deleted', // it has ended
  'invoice.paid', // a period was paid
  'invoice.payment_succeeded', // the same fact under its older name
  'invoice.payment_failed', // the owner is to be told
  'payment_intent.succeeded', // a one-time payment came through
])

/** Handles one delivery. Mount it where the raw body arrives, as `POST /api/webhooks/stripe`. */
export async function handleStripeWebhook(ctx: BillingContext, req: Request): Promise<Response> {
  try {
    if (req.method !== 'POST')
      return new Response(null, { status: 405, headers: { allow: 'POST' } })
    const payload = await readBody(req)
    const event = verify(ctx.stripeWebhookSecrets, payload, req.headers.get('stripe-signature'))
    return await receive(
      ctx,
      {
        provider: 'stripe',
        eventId: event.id,
        type: event.type,
        providerCreatedAt: dateOf(event.created),
        apiVersion: event.apiVersion,
        payload,
      },
      processStripeEvent,
    )
  } catch (error) {
    if (!(error instanceof BillingError)) ctx.logger.error({ error }, 'webhook failed')
    return toResponse(error)
  }
}

interface StripeEvent {
  id: string
  type: string
  created: unknown
  apiVersion: string | null
  object: unknown
}

/**
 * @throws `missing_signature`, `invalid_signature`, `stale_signature`, `invalid_payload` for a body
 * that is signed and yet no event: a signed `null` passes Stripe's own check.
 */
function verify(secrets: readonly string[], payload: string, header: string | null): StripeEvent {
  if (!header) throw new BillingError('missing_signature', 'There is no Stripe-Signature header.')
  const event = readEvent(constructEvent(secrets, payload, header))
  requireFresh(header)
  return event
}

function readEvent(parsed: unknown): StripeEvent {
  const event = parsed as Record<string, unknown> | null
  const data = event?.data as { object?: unknown } | null | undefined
  if (
    typeof event !== 'object' ||
    event?.object !== 'event' ||
    typeof event.id !== 'string' ||
    typeof event.type !== 'string' ||
    typeof data?.object !== 'object'
  ) {
    throw new BillingError('invalid_payload', 'The body is signed but is not an event.')
  }
  return {
    id: event.id,
    type: event.type,
    created: event.created,
    apiVersion: typeof event.api_version === 'string' ? event.api_version : null,
    object: data.object,
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

/** Syncs the customer whom a stored event is about. */
export async function processStripeEvent(ctx: BillingContext, payload: string): Promise<Outcome> {
  const event = readEvent(JSON.parse(payload))
  if (!LISTENED.has(event.type)) return { status: 'ignored', reason: null }
  const stripeCustomerId = idOf((event.object as { customer?: unknown } | null)?.customer)
  if (!stripeCustomerId) return { status: 'needs_attention', reason: 'no_customer' }
  const ownerId = await ownerOf(ctx, stripeCustomerId)
  if (!ownerId) return { status: 'needs_attention', reason: 'unknown_customer' }
  const { problems, effectsPending } = await syncCustomer(ctx, ownerId)
  if (effectsPending) {
    throw new BillingError('processing_failed', `A message to ${ownerId} could not be sent.`)
  }
  const [problem] = problems
  return problem
    ? { status: 'needs_attention', reason: problem.reason }
    : { status: 'processed', reason: null }
}

/** The owner of a customer; a customer we made but could not link yet says so in its metadata. */
async function ownerOf(ctx: BillingContext, stripeCustomerId: string): Promise<string | null> {
  const linked = await ctx.db.customer.findUnique({ where: { stripeCustomerId } })
  if (linked) return linked.ownerId
  const customer = await ask('customer', ctx.stripe.customers.retrieve(stripeCustomerId)).catch(
    (error: unknown) => {
      if (isMissing(error)) return null
      throw error
    },
  )
  if (!customer || customer.deleted) return null
  const ownerId = customer.metadata.ownerId
  if (!ownerId) return null
  const { count } = await ctx.db.customer.updateMany({
    where: { ownerId, stripeCustomerId: null },
    data: { stripeCustomerId },
  })
  return count === 1 ? ownerId : null
}
