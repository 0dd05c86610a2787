/**
 * A host as one function from a `Request` to a `Response`, as Bun, Deno and workers with Node's modules serve
 * it. The other examples in this folder mount the same routes in their framework.
 *
 * In your app take `auth` and `billing` from your `tollgate.config.ts`.
 */

import type { Auth } from '@repo/auth'
import type { Billing } from '@repo/billing'
import { toResponse } from '@repo/core'

/** The two instances of a host. */
export interface Instances {
  auth: Auth
  billing: Billing
}

export function createFetch({ auth, billing }: Instances): (req: Request) => Promise<Response> {
  const routes: Record<string, (req: Request) => Response | Promise<Response>> = {
    // Stripe calls this route. The body has to arrive unread, because a signature covers its bytes.
    'POST /api/webhooks/stripe': billing.handleStripeWebhook,

    'GET /api/me': async (req) => {
      const { userId } = await auth.requireAuth(req)
      return Response.json(await billing.getSubscription(userId))
    },

    'POST /api/upgrade': async (req) => {
      const { userId } = await auth.requireAuth(req)
      const { url } = await billing.createCheckoutSession({ ownerId: userId, plan: 'PRO' })
      return Response.redirect(url, 303)
    },
  }
  return async (req) => {
    const { pathname } = new URL(req.url)
    if (pathname.startsWith('/api/auth/')) return auth.handler(req)
    const route = routes[`${req.method} ${pathname}`]
    if (!route) return new Response(null, { status: 404 })
    try {
      return await route(req)
    } catch (error) {
      // A refusal becomes problem+json with its status and code; anything else becomes a 500 without details.
      return toResponse(error)
    }
  }
}
