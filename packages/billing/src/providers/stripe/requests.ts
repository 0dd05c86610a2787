/**
 * The rate of requests to Stripe, and what follows where Stripe says that it was too high. Promise: this process stays
 * below Stripe's limits by itself, and a request that was refused for its rate is sent again, at a time of its own, so
 * that requests which were refused together do not come back together.
 *
 * @see https://docs.stripe.com/rate-limits
 * @module
 */

import Stripe from 'stripe'

/** How many requests may go to Stripe. */
export interface RequestLimits {
  /** In all, in a second. Default 100; 25 in test mode; no limit at a stand-in. */
  perSecond?: number
  /** To one endpoint, in a second. Default 25; no limit at a stand-in. */
  perEndpoint?: number
  /** How often a request is sent that is refused with 429, the first time included. Default 5. */
  tries?: number
  /** How long a request may wait for its turn and its further tries. Default 20,000. */
  maxWaitMs?: number
}

const DEFAULTS: Required<RequestLimits> = {
  perSecond: Number.POSITIVE_INFINITY,
  perEndpoint: Number.POSITIVE_INFINITY,
  tries: 5,
  maxWaitMs: 20_000,
}

/** What Stripe documents for its own API. */
export const stripeLimits = (livemode: boolean): RequestLimits => ({
  perSecond: livemode ? 100 : 25,
  perEndpoint: 25,
})

const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 8_000

type MakeRequest = Stripe.HttpClient['makeRequest']

export interface LimitedClient {
  httpClient: Stripe.HttpClient
  /** Other limits from now on; what is left out stays. */
  limit(limits: RequestLimits): void
}

/** An HTTP client for the SDK that keeps to `limits`. */
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
      // The connection is free again once the refusal has been read.
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

/** Null: Stripe says that trying again is of no use. */
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
  /** How long the next request has to wait for its turn, which is taken. */
  next(perSecond: number): number
}

/** Lets a second's requests go at once, and spreads those that follow. */
function createRate(): Rate {
  let freeAt = 0
  return {
    next(perSecond) {
      if (!Number.isFinite(perSecond)) return 0
      const now = Date.now()
      const stepMs = 1000 / perSecond
      // An idle second is as much as can be saved up.
      freeAt = Math.max(freeAt, now - 1000 + stepMs) + stepMs
      return Math.max(0, freeAt - now)
    },
  }
}

/** Requests to objects of one kind go to one endpoint: ids are left out of the path. */
const endpointOf = (method: string, path: string): string =>
  `${method} ${path.replace(/\?.*$/, '').replaceAll(/\/[a-z]{2,}_[A-Za-z0-9_]+/g, '/:id')}`
