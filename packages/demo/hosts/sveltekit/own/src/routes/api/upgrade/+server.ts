import { forUser } from '$lib/server/session'
import { billing } from '$lib/server/tollgate'

export const POST = forUser(async ({ userId }) => {
  const { url } = await billing.createCheckoutSession({ ownerId: userId, plan: 'PRO' })
  return Response.redirect(url, 303)
})
