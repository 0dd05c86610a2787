/**
 * A sandbox on a free port, the official SDK pointed at it, and a receiver that keeps what it gets.
 *
 * @module
 */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createTestLogger } from '@repo/core/testing'
import Stripe from 'stripe'
import { expect, onTestFinished } from 'vitest'
import { createSandbox, type Sandbox, type SandboxOptions, type SandboxUrls } from '../index.ts'
import { isTold } from '../stripe/server/events.ts'
import { showEvent } from '../stripe/server/shapes.ts'
import { faultsOf } from './published.ts'
import { NEW, OLD } from './versions.ts'

export { NEW, OLD }

export const KEY = 'sk_test_sandbox000000'
export const SECRET = 'whsec_sandbox0000000000'
export const SUCCESS = 'http://localhost:3000/ok?session={CHECKOUT_SESSION_ID}'
export const CANCEL = 'http://localhost:3000/no'

export interface Received {
  headers: Record<string, string>
  body: string
}

export interface Receiver {
  url: string
  received: Received[]
  /** What is answered from now on; 0 hangs. */
  answer(status: number): void
}

/** A server that keeps every request. */
export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = []
  let status = 200
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const headers = request.headers as Record<string, string>
    received.push({ headers, body: Buffer.concat(chunks).toString('utf8') })
    if (status === 0) return
    response.writeHead(status, { location: '/elsewhere' }).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close().closeAllConnections())
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/hook`,
    received,
    answer(next) {
      status = next
    },
  }
}

export interface Running extends SandboxUrls {
  sandbox: Sandbox
  client(version?: string, key?: string): Stripe
  /** Posts a form as a browser on the page would. */
  post(path: string, fields: Record<string, string>, origin?: string): Promise<Response>
}

export type Overrides = Omit<Partial<SandboxOptions>, 'stripe' | 'calcom'> & {
  stripe?: Partial<SandboxOptions['stripe']>
  calcom?: Partial<NonNullable<SandboxOptions['calcom']>>
}

/** Stripe's published schema is asked about everything that a test makes the sandbox say. */
function checkedAnswers() {
  const faults = new Set<string>()
  const check = (body: unknown, version: string): void => {
    if (version !== OLD && version !== NEW) return
    for (const fault of faultsOf(body, version)) faults.add(fault)
  }
  return {
    onAnswer: ({ body, version }: { body: string; version: string }) =>
      check(JSON.parse(body), version),
    finish(sandbox: Sandbox): void {
      for (const event of sandbox.stripe.snapshot().tables.events) {
        for (const version of [OLD, NEW]) {
          if (isTold(event.type, version)) check(showEvent(event, version, 0), version)
        }
      }
      expect([...faults]).toEqual([])
    },
  }
}

/** A listening sandbox; it is stopped after the test. */
export async function start(overrides: Overrides = {}): Promise<Running> {
  const delivery = { retryDelaysMs: [5, 5] }
  const answers = checkedAnswers()
  const sandbox = createSandbox({
    logger: createTestLogger(),
    ...overrides,
    stripe: { secretKey: KEY, delivery, onAnswer: answers.onAnswer, ...overrides.stripe },
    calcom: {
      eventTypes: [{ id: 11, slug: 'acme/strategy-call', title: 'Strategy call', minutes: 30 }],
      delivery,
      ...overrides.calcom,
    },
  })
  onTestFinished(async () => {
    await sandbox.stop()
    answers.finish(sandbox)
  })
  const urls = await sandbox.listen()
  return {
    ...urls,
    sandbox,
    client(version = OLD, key = KEY) {
      const { hostname, port } = new URL(urls.url)
      return new Stripe(key, {
        host: hostname,
        port,
        protocol: 'http',
        apiVersion: version as Stripe.LatestApiVersion,
        maxNetworkRetries: 0,
        telemetry: false,
      })
    },
    post: (path, fields, origin = urls.url) =>
      fetch(new URL(path, urls.url), {
        method: 'POST',
        redirect: 'manual',
        headers: { 'content-type': 'application/x-www-form-urlencoded', origin },
        body: new URLSearchParams(fields).toString(),
      }),
  }
}

/** A monthly price of $49 and a customer. */
export async function shop(stripe: Stripe) {
  const product = await stripe.products.create({ name: 'Pro' })
  const price = await stripe.prices.create({
    product: product.id,
    currency: 'usd',
    unit_amount: 4900,
    recurring: { interval: 'month' },
    lookup_key: 'pro_monthly',
  })
  const customer = await stripe.customers.create({ email: 'ada@example.com', name: 'Ada' })
  return { product, price, customer }
}

/** A subscription of that price, paid with `card`. */
export async function subscribe(stripe: Stripe, card = 'pm_card_visa') {
  const made = await shop(stripe)
  const subscription = await stripe.subscriptions.create({
    customer: made.customer.id,
    items: [{ price: made.price.id }],
    default_payment_method: card,
  })
  return { ...made, subscription }
}

/** A member along a path, for shapes the SDK's types do not know. */
export function at(value: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((node, key) => (node as Record<string, unknown> | null)?.[key], value)
}

/** The types of the sandbox's events so far. */
export const typesOf = ({ sandbox }: Running): unknown[] =>
  sandbox.stripe.events.map((event) => event.type)
