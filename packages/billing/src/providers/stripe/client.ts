/**
 * The Stripe client: made on first use, pinned to one API version, its failures in our words.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { lazy } from '@repo/core'
import Stripe from 'stripe'
import { BillingError } from '../../errors.ts'
import { readStripe } from '../env.ts'
import {
  createLimitedClient,
  type LimitedClient,
  type RequestLimits,
  stripeLimits,
} from './requests.ts'

/** Requests are answered in this version's shape; `shapes.ts` reads it and every later one. */
export const STRIPE_API_VERSION = '2024-04-10'

export interface StripeOptions {
  /** See `STRIPE_API_BASE`. */
  apiBase?: string
  /** Default `STRIPE_API_VERSION`. */
  apiVersion?: string
  /** Further tries after a failed request. Default 2. */
  maxNetworkRetries?: number
  /** Default 20,000; the SDK's own is 80,000, longer than most hosts let a request live. */
  timeoutMs?: number
  /** Default: what Stripe documents, and none where `apiBase` is given. */
  limits?: RequestLimits
}

/** What a client says of itself. A symbol, so that it is found through a proxy and from another copy of the package. */
const ABOUT = Symbol.for('@repo/billing/stripe')

interface About {
  livemode: boolean
  fingerprint: string
  limit: LimitedClient['limit']
}

const aboutOf = (client: Stripe): About | null =>
  (Reflect.get(client, ABOUT) as About | undefined) ?? null

/** Whether a client works with real money; null for one that `createStripe` did not make. */
export const livemodeOf = (client: Stripe): boolean | null => aboutOf(client)?.livemode ?? null

/** A hash that tells a client's key from another key; null for a client that `createStripe` did not make. */
export const fingerprintOf = (client: Stripe): string | null => aboutOf(client)?.fingerprint ?? null

/** Sets the limits of a client that `createStripe` made; another client keeps its own ways. */
export const limitRequests = (client: Stripe, limits: RequestLimits): void =>
  aboutOf(client)?.limit(limits)

/** Whether a client is answered in the shape of 2025-03-31 ("basil") and later. */
export const hasNewShape = (client: Stripe): boolean =>
  client.getApiField('version').slice(0, 10) >= '2025-03-31'

/**
 * Lets a new billing period begin with a change: in flexible billing mode another interval does not do that by itself,
 * and a year would be had for what is left of a month.
 *
 * @see https://docs.stripe.com/billing/subscriptions/billing-mode/compare
 */
export function anchorNow(client: Stripe): { billing_cycle_anchor: 'now' } {
  // Since 2026-09-30 it is the type of an object; the SDK's types know only their own version's form.
  const isObject = client.getApiField('version').slice(0, 10) >= '2026-09-30'
  const anchor: unknown = isObject ? { type: 'now' } : 'now'
  return { billing_cycle_anchor: anchor as 'now' }
}

/** A client of the official SDK. */
export function createStripe(secretKey: string, options: StripeOptions = {}): Stripe {
  const base = options.apiBase ? new URL(options.apiBase) : undefined
  const livemode = /^[sr]k_live_/.test(secretKey)
  const limited = createLimitedClient(options.limits ?? (base ? {} : stripeLimits(livemode)))
  const client = new Stripe(secretKey, {
    httpClient: limited.httpClient,
    // The SDK's type allows its own newest version only; at run time any version goes out.
    apiVersion: (options.apiVersion ?? STRIPE_API_VERSION) as Stripe.LatestApiVersion,
    maxNetworkRetries: options.maxNetworkRetries ?? 2,
    timeout: options.timeoutMs ?? 20_000,
    telemetry: false,
    ...(base && {
      host: base.hostname,
      port: base.port || (base.protocol === 'https:' ? 443 : 80),
      protocol: base.protocol === 'https:' ? 'https' : 'http',
    }),
  })
  const fingerprint = createHash('sha256').update(`stripe:${secretKey}`).digest('hex').slice(0, 32)
  const about: About = { livemode, fingerprint, limit: limited.limit }
  return Object.defineProperty(client, ABOUT, { value: about })
}

/** The process-wide client, made from the environment on first use. */
export const stripe: Stripe = lazy(() => {
  const { secretKey, apiBase } = readStripe()
  return createStripe(secretKey, apiBase ? { apiBase } : {})
})

/**
 * Awaits a request to Stripe and checks that the answer is the kind of object asked for: the SDK
 * takes any body without an `error` member for success, whatever the status.
 *
 * @throws `provider_unavailable` when Stripe did not answer, is overloaded or broken: try again;
 * `card_declined` when the card's bank said no; `provider_rejected` when Stripe did.
 */
export async function ask<T extends { object: string }>(
  object: T['object'],
  request: Promise<T>,
): Promise<T> {
  let answer: T
  try {
    answer = await request
  } catch (error) {
    throw fromStripe(error)
  }
  if (answer?.object !== object) {
    throw new BillingError(
      'provider_unavailable',
      `Stripe answered with ${String(answer?.object)} where ${object} was asked for.`,
    )
  }
  return answer
}

/** Whether a caught error is Stripe's answer "there is no such object". */
export const isMissing = (error: unknown): boolean => {
  const cause = error instanceof BillingError ? error.cause : error
  return (cause as { code?: unknown } | undefined)?.code === 'resource_missing'
}

/** What Stripe says where the card's bank asks its holder to confirm a payment. */
const HOLDER_CODES: readonly unknown[] = [
  'authentication_required',
  'invoice_payment_intent_requires_action',
  'subscription_payment_intent_requires_action',
]

/**
 * Whether a caught error says that the card's holder has to confirm the payment (3-D Secure).
 *
 * @see https://docs.stripe.com/error-codes
 */
export const needsHolder = (error: unknown): boolean => {
  const cause = error instanceof BillingError ? error.cause : error
  const { code, decline_code } = (cause ?? {}) as { code?: unknown; decline_code?: unknown }
  return HOLDER_CODES.includes(code) || decline_code === 'authentication_required'
}

function fromStripe(error: unknown): BillingError {
  // Compared by name: the SDK's ESM and CommonJS builds have different classes.
  const { type, code, statusCode, requestId } = error as Record<string, unknown>
  if (typeof type !== 'string' || !type.startsWith('Stripe')) throw error
  const transient =
    type === 'StripeConnectionError' ||
    type === 'StripeAPIError' ||
    type === 'StripeRateLimitError' ||
    (typeof statusCode === 'number' && statusCode >= 500)
  const { decline_code: decline } = error as Record<string, unknown>
  const about = [type, code, requestId].filter((part) => typeof part === 'string').join(', ')
  if (type === 'StripeCardError') {
    const why = typeof decline === 'string' ? decline : String(code)
    return new BillingError('card_declined', `The card was declined (${why}).`, { cause: error })
  }
  return transient
    ? new BillingError('provider_unavailable', `Stripe could not be reached (${about}).`, {
        cause: error,
        headers: { 'retry-after': '5' },
      })
    : new BillingError('provider_rejected', `Stripe refused the request (${about}).`, {
        cause: error,
      })
}
