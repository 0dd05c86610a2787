import { forUser } from '../lib/session.server'
import { billing } from '../lib/tollgate.server'

export const loader = forUser(async ({ userId }) =>
  Response.json(await billing.getSubscription(userId)),
)
