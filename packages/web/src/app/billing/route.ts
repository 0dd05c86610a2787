import { redirect } from 'next/navigation'
import { requireAuth } from '@/lib/session'
import { billing } from '@/lib/tollgate'

/** The billing portal leads back here. */
export async function GET() {
  const { userId } = await requireAuth()
  await billing.syncCustomer(userId)
  redirect('/dashboard')
}
