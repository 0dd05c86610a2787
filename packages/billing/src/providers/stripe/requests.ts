/**
 * The rate limit of requests to Stripe. Promise: this process stays below Stripe's limits by itself, and retries a
 * request that Stripe refuses with 429. The delays are random, so that requests which were refused together are not
 * retried together.
 *
 * @see https://docs.stripe.com/rate-limits
 * @module
 */

import Stripe from 'stripe'

/** How many requests may be sent to Stripe. */
export interface RequestLimits {
  /** Requests per second in all. Default 100; 25 in test mode; no limit at a stand-in. */
  perSecond?: number
  /** Requests per second to one endpoint. Default 25; no limit at a stand-in. */
  perEndpoint?: number
  /** How often a request that gets 429 is sent, the first time included. Default 5. */
  tries?: number
  /** How long a request may wait for its turn and its retries. Default 20,000. */
  maxWaitMs?: number
}

const DEFAULTS: Required<RequestLimits> = {
  perSecond: Number.POSITIVE_INFINITY,
  perEndpoint: Number.POSITIVE_INFINITY,
  tries: 5,
  maxWaitMs: 20_000,
}

/** The limits that Stripe documents for its API. */
export const stripeLimits = (livemode: boolean): RequestLimits => ({
  perSecond: livemode ? 100 : 25,
  perEndpoint: 25,
})

const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 8_000

type MakeRequest = Stripe.HttpClient['makeRequest']

/** An HTTP client for the SDK whose limits can be changed. */
export interface LimitedClient {
  httpClient: Stripe.HttpClient
  /** Changes the limits from now on. Limits that are left out stay. */
  limit(limits: RequestLimits): void
}

/** An HTTP client for the SDK that respects `limits`. */
export function createLimitedClient(limits: RequestLimits = {}): LimitedClient {
  let now: Required<RequestLimits> = { ...DEFAULTS, ...limits }
  const inner = Stripe.createNodeHttpClient()
  const all = createRate()
  const endpoints = new Map<string, Rate>()
  const turn = async (method: string, path: string): Promise<void> => {
    const name = endpointOf(method, path)
    const own = endpoints.get(name) ?? createRate()
    endpoints.set(name, own)
    const waitMs = Math.max(all.next(now.perSecond), own.next(now.perEndpoint))
    if (waitMs > 0) await pause(waitMs)
  }
  const makeRequest: MakeRequest = async (...args) => {
    const [, , path, method] = args
    const until = Date.now() + now.maxWaitMs
    for (let attempt = 1; ; attempt += 1) {
      await turn(method, path)
      const answer = await inner.makeRequest(...args)
      if (answer.getStatusCode() !== 429) return answer
      const waitMs = pauseAfter(attempt, answer.getHeaders())
      if (attempt >= now.tries || waitMs === null || Date.now() + waitMs > until) return answer
      // Reading the body frees the connection.
      await answer.toJSON().catch(() => {})
      await pause(waitMs)
    }
  }
  const httpClient: Stripe.HttpClient = { getClientName: () => inner.getClientName(), makeRequest }
  return {
    httpClient,
    limit: (limits) => {
      now = { ...now, ...limits }
    },
  }
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))

/** How long to wait before the next try, in milliseconds. Null: Stripe says not to retry. */
function pauseAfter(attempt: number, headers: object): number | null {
  const header = (name: string) => {
    const value: unknown = Reflect.get(headers, name)
    return typeof value === 'string' ? value : null
  }
  if (header('stripe-should-retry') === 'false') return null
  const asked = Number(header('retry-after') ?? '')
  const most = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1))
  const spread = most * (0.5 + Math.random() / 2)
  return Number.isFinite(asked) && asked > 0 ? asked * 1000 + Math.random() * most : spread
}

interface Rate {
  /** Takes the next turn and returns how long to wait for it, in milliseconds. */
  next(perSecond: number): number
}

/** Lets the requests of one second pass at once, and spreads the requests after them. */
function createRate(): Rate {
  let freeAt = 0
  return {
    next(perSecond) {
      if (!Number.isFinite(perSecond)) return 0
      const now = Date.now()
      const stepMs = 1000 / perSecond
      // At most one idle second is saved up.
      freeAt = Math.max(freeAt, now - 1000 + stepMs) + stepMs
      return Math.max(0, freeAt - now)
    },
  }
}

/** The name of an endpoint: method and path, with ids replaced, so that objects of one kind share a limit. */
const endpointOf = (method: string, path: string): string =>
  `${method} ${path.replace(/\?.*$/, '').replaceAll(/\/[a-z]{2,}_[A-Za-z0-9_]+/g, '/:id')}`
