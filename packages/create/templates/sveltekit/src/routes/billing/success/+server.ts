import { type RequestEvent, redirect } from '@sveltejs/kit'
import { requireUser } from '../../../lib/session'
import { billing } from '../../../lib/tollgate'

/** The checkout page leads back here, before or after its webhook. */
export async function GET(event: RequestEvent) {
  const { userId } = requireUser(event)
  await billing.confirmCheckout(userId, event.url.searchParams.get('session_id') ?? '')
  redirect(303, '/?done=subscribed')
}
