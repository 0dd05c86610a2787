import { forUser } from '../lib/session.server'
import { billing } from '../lib/tollgate.server'

export const action = forUser(async ({ userId }) => {
  const { url } = await billing.createCheckoutSession({ ownerId: userId, plan: 'PRO' })
  return Response.redirect(url, 303)
})
