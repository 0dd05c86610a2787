/**
 * The host of `fetch.ts` in SvelteKit: the hook `handle` of `src/hooks.server.ts` and the functions of two
 * `+server.ts` files. SvelteKit's own types fit where `Event` and `Resolve` stand.
 */

import { toResponse } from '@repo/core'
import type { Instances } from './fetch.ts'

/** The part of SvelteKit's `RequestEvent` that is used. */
interface Event {
  request: Request
  url: URL
}

type Resolve = (event: Event) => Response | Promise<Response>

export function createSvelteKit({ auth, billing }: Instances) {
  return {
    /** `src/hooks.server.ts`: serves auth's endpoints, and renews the access token of a page. */
    async handle({ event, resolve }: { event: Event; resolve: Resolve }): Promise<Response> {
      if (event.url.pathname.startsWith('/api/auth/')) return auth.handler(event.request)
      const response = await Promise.resolve(event).then(resolve).catch(toResponse)
      const cookies = await auth.renewCookies(event.request)
      if (cookies.length === 0) return response
      // The headers of `Response.redirect` cannot be changed, so the response is copied.
      const renewed = new Response(response.body, response)
      for (const cookie of cookies) renewed.headers.append('set-cookie', cookie)
      return renewed
    },

    /** `src/routes/api/webhooks/stripe/+server.ts` */
    stripe: { POST: ({ request }: Event) => billing.handleStripeWebhook(request) },

    /** `src/routes/api/me/+server.ts` */
    me: {
      async GET({ request }: Event): Promise<Response> {
        const { userId } = await auth.requireAuth(request)
        return Response.json(await billing.getSubscription(userId))
      },
    },

    /** `src/routes/api/upgrade/+server.ts` */
    upgrade: {
      async POST({ request }: Event): Promise<Response> {
        const { userId } = await auth.requireAuth(request)
        const { url } = await billing.createCheckoutSession({ ownerId: userId, plan: 'PRO' })
        return Response.redirect(url, 303)
      },
    },
  }
}
