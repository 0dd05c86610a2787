/**
 * Finds Cal.com's events about a customer. They name a booking and no customer.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'

/** `LIKE` patterns that match the events about the customer's bookings. */
export async function mentionsOf(ctx: BillingContext, customerId: string): Promise<string[]> {
  const bookings = await ctx.db.booking.findMany({
    where: { customerId },
    select: { calUids: true },
  })
  return bookings.flatMap(({ calUids }) => calUids.map((uid) => `%"${escapeLike(uid)}"%`))
}

const escapeLike = (text: string): string => text.replace(/[\\%_]/g, '\\$&')
