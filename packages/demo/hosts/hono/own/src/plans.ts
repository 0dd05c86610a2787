import type { Hono } from 'hono'
import { requireUser } from './lib/mount.ts'
import { billing } from './lib/tollgate.ts'

export function plans(app: Hono): void {
  app.get('/api/me', requireUser, async (c) =>
    c.json(await billing.getSubscription(c.get('userId'))),
  )
  app.post('/api/upgrade', requireUser, async (c) => {
    const checkout = { ownerId: c.get('userId'), plan: 'PRO' } as const
    return c.redirect((await billing.createCheckoutSession(checkout)).url, 303)
  })
}
