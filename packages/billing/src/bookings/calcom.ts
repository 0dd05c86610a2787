/**
 * Links to Cal.com's booking pages. Anybody who has a link can change it, so owner and payment are in a signed
 * reference.
 *
 * @see https://cal.com/help/bookings/prefill-fields-in-bookings
 * @module
 */

import { createHmac } from 'node:crypto'
import { isSameSecret } from '@repo/core/http'
import * as z from 'zod'
import type { BillingContext } from '../context.ts'
import { registerCustomer } from '../customers/customers.ts'
import { BillingError } from '../errors.ts'

/** The owner and the payment of a booking. */
export interface BookingLinkMetadata {
  /** The id of the user or organization that the booking belongs to. */
  ownerId: string
  /** Our id of the payment for the booking. Absent: the booking is free. */
  paymentId?: string
}

/** The link to the booking page of an event type. The contract is in `functions/bookings.ts`. */
export async function createCalComBookingLink(
  ctx: BillingContext,
  eventTypeId: number,
  metadata: BookingLinkMetadata,
): Promise<string> {
  const { eventTypes } = ctx.calcom
  const path = Object.hasOwn(eventTypes, eventTypeId) ? eventTypes[eventTypeId] : undefined
  if (!path) {
    const message = `There is no event type ${eventTypeId}. Add it to CALCOM_EVENT_TYPES.`
    throw new BillingError('event_type_not_found', message)
  }
  const owner = await ctx.owner(metadata.ownerId)
  if (!owner) {
    throw new BillingError('owner_not_found', `There is no owner ${metadata.ownerId}.`)
  }
  const customer = await registerCustomer(ctx, metadata.ownerId)
  if (metadata.paymentId !== undefined) {
    const payment = await ctx.db.payment.findUnique({ where: { id: metadata.paymentId } })
    if (payment?.customerId !== customer.id) {
      throw new BillingError(
        'payment_not_found',
        `${metadata.ownerId} has no payment with this id.`,
      )
    }
    if (payment.status !== 'succeeded') {
      const message = `The payment is ${payment.status}; it must have succeeded.`
      throw new BillingError('payment_not_confirmed', message)
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

/** The customer and the payment of a booking. */
export interface BookingReference {
  customerId: string
  paymentId: string | null
}

const referenceBody = z.tuple([z.string(), z.string().nullable()])

/** The reference as signed text for a link. */
export function signReference(secret: string, reference: BookingReference): string {
  const body = Buffer.from(JSON.stringify([reference.customerId, reference.paymentId]))
  const encoded = body.toString('base64url')
  return `${encoded}.${referenceMac(secret, encoded)}`
}

/** The reference in a signed text; null if the signature is not ours. */
export function readReference(secret: string, signed: string): BookingReference | null {
  const [encoded, mac, ...rest] = signed.split('.')
  if (!encoded || !mac || rest.length > 0) return null
  // Compared as text, because several base64 texts decode to the same bytes.
  if (!isSameSecret(mac, referenceMac(secret, encoded))) return null
  const body = referenceBody.safeParse(JSON.parse(Buffer.from(encoded, 'base64url').toString()))
  return body.success ? { customerId: body.data[0], paymentId: body.data[1] } : null
}

/** The signature of a reference. Its prefix keeps it apart from signatures of webhooks, which use the same secret. */
const referenceMac = (secret: string, encoded: string): string =>
  createHmac('sha256', secret).update(`booking-reference:${encoded}`).digest('base64url')
