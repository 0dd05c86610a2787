import { redirect } from 'next/navigation'
import { requireAuth } from '@/lib/session'
import { billing } from '@/lib/tollgate'

/** The checkout page leads back here, before or after its webhook. */
export async function GET(req: Request) {
  const { userId } = await requireAuth()
  await billing.confirmCheckout(userId, new URL(req.url).searchParams.get('session_id') ?? '')
  redirect('/dashboard?done=subscribed')
}
