/**
 * One app, mounted the three ways that a host in Node has: plain `node:http`, Express, and the demo on
 * Hono's server. It runs in its own process, and nothing catches unhandled errors, so an unhandled error ends it. It
 * prints the three ports on a line, and any input on standard input ends it.
 */

import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAuth, createEdge, sameSiteRedirect, toNodeHandler } from '@repo/auth'
import { createBilling, createStripe } from '@repo/billing'
import { toResponse } from '@repo/core'
import { createDb } from '@repo/db'
import { runPending } from '@repo/jobs'
import express from 'express'
import { createHost } from '../host.tsx'
import { listen } from '../listen.ts'
import { CALL_EVENT_TYPE } from '../product.ts'

const [databaseUrl = ''] = process.argv.slice(2)
const baseURL = 'http://localhost:3000'
const db = createDb(databaseUrl)
const sender = { sendEmail: async () => ({ success: true as const, id: 'none', error: null }) }
const auth = createAuth({
  db,
  baseURL,
  secret: 'a-secret-for-tests-of-32-characters',
  sender: sender as never,
  rateLimit: false,
})
const billing = createBilling({
  db,
  sender: sender as never,
  appUrl: baseURL,
  // No server listens at this address, so every request to the provider fails.
  stripe: createStripe('sk_test_nobody', { apiBase: 'http://127.0.0.1:9', maxNetworkRetries: 0 }),
  stripeWebhookSecrets: ['whsec_hosts'],
  calcom: {
    origin: 'https://cal.example',
    eventTypes: { [CALL_EVENT_TYPE]: 'acme/strategy-call' },
    webhookSecret: 'calcom-hosts-secret',
  },
})
const edge = createEdge({ baseURL })
const form = { path: '/sign-in/email', success: '/dashboard', failure: '/sign-in' }

/** The host's own routes. */
const routes: Record<string, (req: Request) => Response | Promise<Response>> = {
  '/sign-in': (req) => auth.formAction(req, form),
  '/me': async (req) => Response.json(await auth.requireAuth(req)),
  '/api/limited': async (req) => Response.json(await auth.rateLimit(req, { anonymous: 1e6 })),
  '/edge': async (req) =>
    sameSiteRedirect(req) ?? (await edge.renew(req)) ?? Response.json(await edge.getSession(req)),
  '/edge/me': async (req) => Response.json(await edge.requireAuth(req)),
  '/api/webhooks/stripe': billing.handleStripeWebhook,
  '/api/webhooks/calcom': billing.handleCalComWebhook,
  '/api/payment/callback': billing.handlePaymentCallback,
  '/api/payment/create-order': (req) =>
    billing.handleCreateOrder(req, {
      getOwner: async () => (await auth.getSession(req))?.userId ?? null,
    }),
  '/api/cron': async () => {
    await runPending({ databaseUrl, jobs: [auth.jobs, billing.jobs] })
    return new Response(null, { status: 204 })
  },
}

async function app(req: Request): Promise<Response> {
  const { pathname } = new URL(req.url)
  if (pathname.startsWith('/api/auth/')) return auth.handler(req)
  return routes[pathname]?.(req) ?? new Response(null, { status: 404 })
}

function expressApp(): RequestListener {
  const host = express()
  host.all('/api/auth/*splat', toNodeHandler(auth))
  for (const [path, handle] of Object.entries(routes)) {
    host.all(path, toNodeHandler(handle, { baseURL }))
  }
  return host
}

const hono = createHost({ auth, billing, providers: [] })
hono.all('*', async (c) => {
  try {
    return await app(c.req.raw)
  } catch (error) {
    return toResponse(error)
  }
})

async function portOf(listener: RequestListener): Promise<number> {
  const server = createServer(listener)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return (server.address() as AddressInfo).port
}

const ports = {
  node: await portOf(toNodeHandler(app, { baseURL })),
  express: await portOf(expressApp()),
  hono: ((await listen(hono, 0)).address() as AddressInfo).port,
}
process.stdout.write(`${JSON.stringify(ports)}\n`)
process.stdin.once('data', () => process.exit(0))
