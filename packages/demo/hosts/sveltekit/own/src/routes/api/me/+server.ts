import { forUser } from '$lib/server/session'
import { billing } from '$lib/server/tollgate'

export const GET = forUser(async ({ userId }) =>
  Response.json(await billing.getSubscription(userId)),
)
