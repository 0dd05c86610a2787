/** A provider that is slow: what it answered is old by the time it arrives. */

import Stripe from 'stripe'
import { createBilling, STRIPE_API_VERSION } from '../index.ts'
import { type Harness, SECRET_KEY } from './harness.ts'

/** Billing whose answers from the provider are held back until `release`, once `path` was asked for. */
export function heldBack(h: Harness, path: string) {
  let release = () => {}
  let arrive = () => {}
  const held = new Promise<void>((done) => {
    release = done
  })
  const arrived = new Promise<void>((done) => {
    arrive = done
  })
  const { hostname: host, port } = new URL(h.url)
  const stripe = new Stripe(SECRET_KEY, {
    host,
    port,
    protocol: 'http',
    apiVersion: STRIPE_API_VERSION as Stripe.LatestApiVersion,
    httpClient: Stripe.createFetchHttpClient(async (...args) => {
      const answer = await fetch(...args)
      if (String(args[0]).includes(path)) {
        arrive()
        await held
      }
      return answer
    }),
  })
  return { billing: createBilling({ ...h.settings, stripe }), arrived, release: () => release() }
}
