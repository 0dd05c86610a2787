import type { Express } from 'express'
import { forUser } from './lib/mount.ts'
import { billing } from './lib/tollgate.ts'

export function plans(app: Express): void {
  app.get(
    '/api/me',
    forUser(async ({ userId }) => Response.json(await billing.getSubscription(userId))),
  )
  app.post(
    '/api/upgrade',
    forUser(async ({ userId }) => {
      const { url } = await billing.createCheckoutSession({ ownerId: userId, plan: 'PRO' })
      return Response.redirect(url, 303)
    }),
  )
}
