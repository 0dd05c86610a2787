import { redirect } from 'react-router'
import { forUser } from '../../lib/session.ts'
import { billing } from '../../lib/tollgate.ts'

/** The checkout page leads back here, before or after its webhook. */
export const loader = forUser(async ({ userId }, request) => {
  const session = new URL(request.url).searchParams.get('session_id') ?? ''
  await billing.confirmCheckout(userId, session)
  return redirect('/?done=subscribed')
})
