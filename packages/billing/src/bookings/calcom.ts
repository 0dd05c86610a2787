/**
 * Links to Cal.com's booking pages. What a link carries can be changed by whoever holds it, so the
 * owner and the payment travel in a signed reference.
 *
 * @see https://cal.com/help/bookings/prefill-fields-in-bookings
 * @module
 */

import { createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import type { BillingContext } from '../context.ts'
import { registerCustomer } from '../customers/customers.ts'
import { BillingError } from '../errors.ts'

export interface BookingLinkMetadata {
  ownerId: string
  /** Our id of the payment the booking is for. Absent: the booking is free. */
  paymentId?: string
}

/**
 * The address of the booking page for an event type. The booking it leads to is stored with the
 * owner and, where named, the payment.
 *
 * @throws `event_type_not_found`, `owner_not_found`, `payment_not_found` for a payment of someone
 * else, `payment_not_confirmed` while it is not paid.
 */
export async function createCalComBookingLink(
  ctx: BillingContext,
  eventTypeId: number,
  metadata: BookingLinkMetadata,
): Promise<string> {
  const { eventTypes } = ctx.calcom
  const path = Object.hasOwn(eventTypes, eventTypeId) ? eventTypes[eventTypeId] : undefined
  if (!path) {
    throw new BillingError('event_type_not_found', `There is no event type ${eventTypeId}.`)
  }
  const owner = await ctx.owner(metadata.ownerId)
  if (!owner) {
    throw new BillingError('owner_not_found', `There is no owner ${metadata.ownerId}.`)
  }
  const customer = await registerCustomer(ctx, metadata.ownerId)
  if (metadata.paymentId !== undefined) {
    const payment = await ctx.db.payment.findUnique({ where: { id: metadata.paymentId } })
    if (payment?.customerId !== customer.id) {
      throw new BillingError('payment_not_found', `${metadata.ownerId} has no such payment.`)
    }
    if (payment.status !== 'succeeded') {
      throw new BillingError('payment_not_confirmed', `The payment is ${payment.status}.`)
    }
  }
  const url = new URL(path, ctx.calcom.origin.replace(/(?<!\/)\/*$/, '/'))
  url.searchParams.set('name', owner.name)
  url.searchParams.set('email', owner.email)
  url.searchParams.set(
    'metadata[ref]',
    signReference(ctx.calcom.webhookSecret, {
      customerId: customer.id,
      paymentId: metadata.paymentId ?? null,
    }),
  )
  return url.href
}

/** Whom a booking is for. */
export interface BookingReference {
  customerId: string
  paymentId: string | null
}

const referenceBody = z.tuple([z.string(), z.string().nullable()])

export function signReference(secret: string, reference: BookingReference): string {
  const body = Buffer.from(JSON.stringify([reference.customerId, reference.paymentId]))
  const encoded = body.toString('base64url')
  return `${encoded}.${referenceMac(secret, encoded)}`
}

/** The reference, or null if it was not signed by us. */
export function readReference(secret: string, signed: string): BookingReference | null {
  const [encoded, mac, ...rest] = signed.split('.')
  if (!encoded || !mac || rest.length > 0) return null
  // Compared as text: several spellings of base64 decode to the same bytes, and one is ours.
  const expected = Buffer.from(referenceMac(secret, encoded))
  const given = Buffer.from(mac)
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null
  const body = referenceBody.safeParse(JSON.parse(Buffer.from(encoded, 'base64url').toString()))
  return body.success ? { customerId: body.data[0], paymentId: body.data[1] } : null
}

/** The prefix keeps a reference from ever being the signature of a webhook, and the reverse. */
const referenceMac = (secret: string, encoded: string): string =>
  createHmac('sha256', secret).update(`booking-reference:${encoded}`).digest('base64url')
