/** The host of `fetch.ts` as an Express app. */

import { toNodeHandler } from '@repo/auth'
import { toResponse } from '@repo/core'
import express, { type Express } from 'express'
import type { Instances } from './fetch.ts'

export function createExpress({ auth, billing }: Instances, baseURL: string): Express {
  const app = express()
  type Route = (req: Request) => Response | Promise<Response>
  const mount = (route: Route) =>
    toNodeHandler(async (req) => await Promise.resolve(req).then(route).catch(toResponse), {
      baseURL,
    })

  // Before any body parser: Stripe's signature covers the raw bytes.
  app.post('/api/webhooks/stripe', mount(billing.handleStripeWebhook))
  app.all('/api/auth/*splat', toNodeHandler(auth))
  app.get(
    '/api/me',
    mount(async (req) => {
      const { userId } = await auth.requireAuth(req)
      return Response.json(await billing.getSubscription(userId))
    }),
  )
  app.post(
    '/api/upgrade',
    mount(async (req) => {
      const { userId } = await auth.requireAuth(req)
      const { url } = await billing.createCheckoutSession({ ownerId: userId, plan: 'PRO' })
      return Response.redirect(url, 303)
    }),
  )
  app.use(express.json())
  return app
}
