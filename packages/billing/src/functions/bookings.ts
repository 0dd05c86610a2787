/**
 * The functions of bookings at Cal.com. The default instance's are exported here, and every instance has them as
 * methods.
 *
 * @module
 */

import * as bookings from '../bookings/bookings.ts'
import * as calcom from '../bookings/calcom.ts'
import * as webhook from '../bookings/webhook.ts'
import { command, query } from './bind.ts'
import { filters, id, number, OWNER, object, PAGED } from './checks.ts'

/**
 * The link to the booking page of an event type. A booking made through the link is stored with the owner and the
 * payment, if there is one.
 *
 * @throws `event_type_not_found`, `owner_not_found`, `payment_not_found` for another owner's payment,
 * `payment_not_confirmed` for a payment that has not succeeded.
 */
export const createCalComBookingLink = command(
  'createCalComBookingLink',
  calcom.createCalComBookingLink,
  number('The event type id'),
  object('The metadata', { ownerId: OWNER }, { paymentId: id('paymentId') }),
)

/**
 * The owner's bookings, the latest start first. At most `limit`, by default 100. Pass the `id` of the last booking as
 * `after` for the next page.
 *
 * @throws `invalid_argument` where `after` is not a booking of the owner.
 */
export const listBookings = query('listBookings', bookings.listBookings, OWNER, filters(PAGED))

/**
 * Handles a delivery. Mount it as `POST /api/webhooks/calcom`, where the raw body arrives.
 */
export const handleCalComWebhook = command('handleCalComWebhook', webhook.handleCalComWebhook)
