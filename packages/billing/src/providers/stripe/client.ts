/**
 * The Stripe client: made on first use and pinned to one API version. Its failures become `BillingError`s.
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

/** The API version that requests are sent with. `shapes.ts` reads its answers and those of later versions. */
export const STRIPE_API_VERSION = '2024-04-10'

/** The options of `createStripe`. */
export interface StripeOptions {
  /** See `STRIPE_API_BASE`. */
  apiBase?: string
  /** Default `STRIPE_API_VERSION`. */
  apiVersion?: string
  /** How many retries follow a failed request. Default 2. */
  maxNetworkRetries?: number
  /** Default 20,000. The SDK's own default is 80,000, longer than most hosts let a request run. */
  timeoutMs?: number
  /** Default: the limits that Stripe documents, and none where `apiBase` is given. */
  limits?: RequestLimits
}

/** The key of a client's mode, fingerprint and limits, registered so that other copies of the package find it. */
const ABOUT = Symbol.for('@repo/billing/stripe')

interface About {
  livemode: boolean
  fingerprint: string
  limit: LimitedClient['limit']
}

const aboutOf = (client: Stripe): About | null =>
  (Reflect.get(client, ABOUT) as About | undefined) ?? null

/** Whether a client works with real money; null for a client that `createStripe` did not make. */
export const livemodeOf = (client: Stripe): boolean | null => aboutOf(client)?.livemode ?? null

/** A hash that tells a client's key from another key; null for a client that `createStripe` did not make. */
export const fingerprintOf = (client: Stripe): string | null => aboutOf(client)?.fingerprint ?? null

/** Sets the limits of a client that `createStripe` made. Does nothing for another client. */
export const limitRequests = (client: Stripe, limits: RequestLimits): void =>
  aboutOf(client)?.limit(limits)

/** Whether a client's API version is 2025-03-31 ("basil") or later, which changed the shape of objects. */
export const hasNewShape = (client: Stripe): boolean =>
  client.getApiField('version').slice(0, 10) >= '2025-03-31'

/**
 * The parameter that starts a new billing period with a change. In flexible billing mode a new interval does not do so
 * by itself, and the customer would get a year for the price of the rest of a month.
 *
 * @see https://docs.stripe.com/billing/subscriptions/billing-mode/compare
 */
export function anchorNow(client: Stripe): { billing_cycle_anchor: 'now' } {
  // Since 2026-09-30 the value is an object with a type. The SDK's types know only the form of their own version.
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
    // The SDK's type allows only its newest version; at run time any version is sent.
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
 * Awaits a request to Stripe and checks that the answer is an `object`, because the SDK takes any body without an
 * `error` member for a success, whatever the status.
 *
 * @throws `provider_unavailable` when Stripe did not answer, is overloaded or failed, so that a retry may succeed;
 * `card_declined` when the card's bank refused; `provider_rejected` when Stripe refused.
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
      `Stripe answered with ${String(answer?.object)} instead of ${object}.`,
    )
  }
  return answer
}

/** Whether a caught error means that Stripe has no such object. */
export const isMissing = (error: unknown): boolean => {
  const cause = error instanceof BillingError ? error.cause : error
  return (cause as { code?: unknown } | undefined)?.code === 'resource_missing'
}

/** Stripe's codes for a payment that the card's holder has to confirm. */
const HOLDER_CODES: readonly unknown[] = [
  'authentication_required',
  'invoice_payment_intent_requires_action',
  'subscription_payment_intent_requires_action',
]

/**
 * Whether a caught error means that the card's holder has to confirm the payment (3-D Secure).
 *
 * @see https://docs.stripe.com/error-codes
 */
export const needsHolder = (error: unknown): boolean => {
  const cause = error instanceof BillingError ? error.cause : error
  const { code, decline_code } = (cause ?? {}) as { code?: unknown; decline_code?: unknown }
  return HOLDER_CODES.includes(code) || decline_code === 'authentication_required'
}

function fromStripe(error: unknown): BillingError {
  // Errors are recognised by `type`, because the SDK's ESM and CommonJS builds have different classes.
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
