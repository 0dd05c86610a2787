import { type RequestEvent, redirect } from '@sveltejs/kit'
import { requireUser } from '../../lib/session'
import { billing } from '../../lib/tollgate'

/** The billing portal leads back here. */
export async function GET(event: RequestEvent) {
  await billing.syncCustomer(requireUser(event).userId)
  redirect(303, '/')
}
