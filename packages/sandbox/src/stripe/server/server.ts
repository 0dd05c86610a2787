/**
 * The HTTP side of the API: authentication, versions, parameters, idempotency, errors. Every error response
 * has an `error` member and a `request-id`.
 *
 * @module
 */

import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import type { Logger } from '@repo/core'
import { Hono, type Context as HonoContext } from 'hono'
import { catalogEndpoints } from '../catalog/catalog.ts'
import { couponEndpoints } from '../catalog/coupons.ts'
import { taxRateEndpoints } from '../catalog/tax-rates.ts'
import { checkoutEndpoints } from '../checkout/checkout.ts'
import { portalEndpoints } from '../checkout/portal.ts'
import { customerEndpoints } from '../customers/customers.ts'
import { paymentMethodEndpoints } from '../customers/payment-methods.ts'
import { creditNoteEndpoints } from '../invoices/credit-note-endpoints.ts'
import { invoiceEndpoints } from '../invoices/invoice-endpoints.ts'
import { chargeEndpoints } from '../payments/charges.ts'
import { disputeEndpoints } from '../payments/disputes.ts'
import { paymentIntentEndpoints } from '../payments/payment-intents.ts'
import { refundEndpoints } from '../payments/refunds.ts'
import { previewEndpoints } from '../subscriptions/preview.ts'
import { scheduleEndpoints } from '../subscriptions/schedules.ts'
import { subscriptionEndpoints } from '../subscriptions/subscriptions.ts'
import { accountEndpoints } from './account.ts'
import {
  authenticate,
  checkAccount,
  checkVersion,
  type Failure,
  failureError,
  isBroken,
  lockTimeout,
} from './admission.ts'
import { copy } from './copy.ts'
import type { Endpoint, List } from './endpoint.ts'
import { notCovered, StripeApiError } from './errors.ts'
import { type DeliveryStatus, eventEndpoints } from './events.ts'
import { expand } from './expand.ts'
import { checkExpansion } from './expansion-paths.ts'
import { delay, type FaultKind, hang, tearDown } from './faults.ts'
import { Params, parseForm } from './forms.ts'
import { type Answer, keyOf, runOnce, takeKey } from './idempotency.ts'
import type { RateLimiter } from './rate-limits.ts'
import { type Shown, show } from './shapes.ts'
import { randomText, type Store } from './store.ts'
import { webhookEndpointEndpoints } from './webhook-endpoints.ts'

export interface ApiOptions {
  store: Store
  secretKey: string
  logger: Logger
  statusOf(eventId: string): DeliveryStatus
  /** Takes one of the failures that `failNext` requested; null if none is left. */
  takeFailure(): Failure | null
  /** The fault of this request from `setFaults`; null if it does not fail. */
  takeFault(): FaultKind | null
  /** The duration of each request in milliseconds. */
  latencyMs: number
  limiter: RateLimiter
  /** The idempotency keys of running requests. */
  busyKeys: Set<string>
  /** Called with every response before it is sent. */
  onAnswer(answer: { body: string; status: number; version: string }): void
  /** Called after every request that may have changed something. */
  onChange(): void
}

/** Larger than any request that the API accepts. */
const MAX_BODY_BYTES = 1024 * 1024

/** The app that answers `/v1/*`. */
export function createApi(options: ApiOptions): Hono {
  const app = new Hono()
  const endpoints = [
    ...accountEndpoints(options.secretKey),
    ...catalogEndpoints,
    ...chargeEndpoints,
    ...checkoutEndpoints,
    ...couponEndpoints,
    ...creditNoteEndpoints,
    ...customerEndpoints,
    ...disputeEndpoints,
    ...eventEndpoints(options.statusOf),
    // Before the invoices, where `upcoming` would be read as an invoice id.
    ...previewEndpoints,
    ...invoiceEndpoints,
    ...paymentIntentEndpoints,
    ...paymentMethodEndpoints,
    ...portalEndpoints,
    ...refundEndpoints,
    ...scheduleEndpoints,
    ...subscriptionEndpoints,
    ...taxRateEndpoints,
    ...webhookEndpointEndpoints,
  ]
  for (const endpoint of endpoints) {
    app.on(endpoint.method, endpoint.path, (c) => answer(options, c, endpoint))
  }
  for (const path of ['/v1', '/v1/*', '/v2/*']) app.all(path, (c) => answer(options, c, null))
  return app
}

/** Answers one request; `endpoint` is null if the path is unknown. */
async function answer(
  options: ApiOptions,
  c: HonoContext,
  endpoint: Endpoint | null,
): Promise<Response> {
  const requestId = `req_${randomText(14)}`
  const version = c.req.header('stripe-version') ?? options.store.apiVersion
  let giveBack = (): void => {}
  try {
    authenticate(c.req.header('authorization'), options.secretKey)
    checkVersion(version)
    options.limiter.take(options.store.settings.rateLimits, endpoint?.path ?? '')
    const failure = options.takeFailure()
    if (failure !== null && !isBroken(failure)) throw failureError(failure)
    const fault = options.takeFault()
    await fail(c, fault)
    // A search that this resource does not support must not be read as an id.
    if (endpoint === null || c.req.param('id') === 'search') throw unrecognized(c)
    checkAccount(c.req.header('stripe-account'), options.secretKey)
    const key = keyOf(c.req.method, c.req.header('idempotency-key'))
    giveBack = takeKey(options.store, options.busyKeys, key)
    const text = c.req.method === 'POST' ? await readBody(c) : new URL(c.req.url).search.slice(1)
    const isBrokenOff = fault === '500' || failure !== null
    const { answer: made, isReplay } = runOnce(
      options.store,
      { key, path: c.req.path, text },
      () => {
        const broken = (): Answer =>
          errorAnswer(options, failureError(failure ?? { status: 500 }), version, requestId)
        if (isBrokenOff) return broken()
        const done = runEndpoint(options, c, endpoint, { key, text, version, requestId })
        return fault === 'broken' ? broken() : done
      },
    )
    if (!isReplay) await take(options.latencyMs, key)
    if (fault === 'late') await delay(c.req.raw.signal)
    if (fault === 'applied') throw failureError({ status: 502 })
    return respond(options, made, version, isReplay)
  } catch (error) {
    const headers = error instanceof StripeApiError ? error.answerHeaders : {}
    return respond(
      options,
      errorAnswer(options, error, version, requestId),
      version,
      false,
      headers,
    )
  } finally {
    giveBack()
  }
}

/**
 * Waits for the duration of a request. With a key it waits at least one turn, in which another request may
 * come.
 */
async function take(latencyMs: number, key: string | undefined): Promise<void> {
  if (latencyMs > 0) await sleep(latencyMs)
  else if (key !== undefined) await turn()
}

/** Fails a request before anything is done. Only a caller who still listens gets the error. */
async function fail(c: HonoContext, fault: FaultKind | null): Promise<void> {
  if (fault === 'hang') await hang(c.req.raw.signal)
  if (fault === 'reset') tearDown(c.env)
  if (fault === 'lock_timeout') throw lockTimeout()
  if (fault === '429') throw failureError({ status: 429 })
  if (fault === '503' || fault === 'hang' || fault === 'reset') throw failureError({ status: 503 })
}

function unrecognized(c: HonoContext): StripeApiError {
  const { method, path } = c.req
  const message = `Unrecognized request URL (${method}: ${path}). The sandbox covers a part of the API.`
  return new StripeApiError('unrecognized_url', 404, message)
}

async function readBody(c: HonoContext): Promise<string> {
  const text = await c.req.text()
  if (text.length <= MAX_BODY_BYTES) return text
  throw new StripeApiError('invalid_request', 413, 'The request body is too large.')
}

/** Runs an endpoint as one step: nothing in it awaits, so no other request sees half of it. */
function runEndpoint(
  options: ApiOptions,
  c: HonoContext,
  endpoint: Endpoint,
  request: { key: string | undefined; text: string; version: string; requestId: string },
): Answer {
  const { store } = options
  store.request = { id: request.requestId, idempotency_key: request.key ?? null }
  try {
    return answerOf(options, c.req.param('id') ?? '', endpoint, request)
  } finally {
    store.request = { id: null, idempotency_key: null }
    if (c.req.method !== 'GET') options.onChange()
  }
}

/** Runs an endpoint once. Its errors become responses, so that they can be kept, too. */
function answerOf(
  options: ApiOptions,
  id: string,
  endpoint: Endpoint,
  { text, version, requestId }: { text: string; version: string; requestId: string },
): Answer {
  const { store } = options
  try {
    const params = new Params(parseForm(text))
    const refused = endpoint.refused?.find((name) => params.has(name))
    if (refused !== undefined) throw notCovered(`\`${refused}\` here`, refused)
    params.only([...(endpoint.params ?? []), ...(endpoint.ignored ?? []), 'expand'])
    const paths = params.strings('expand')
    for (const path of paths) checkExpansion(store, path, endpoint, version)
    const made = endpoint.run({ store, params, id, version })
    // Expansion changes the response; without it the records are only read.
    const result = paths.length > 0 ? copy(made) : made
    const shown = endpoint.isShown ? (result as Shown) : showResult(result, version)
    for (const path of paths) expand(store, shown, path, version)
    return { status: 200, body: JSON.stringify(shown, null, 2), requestId, isKept: true }
  } catch (error) {
    return errorAnswer(options, error, version, requestId)
  }
}

function showResult(result: object, version: string): Shown {
  if (!('data' in result) || !Array.isArray(result.data)) return show(result, version)
  return { ...(result as List), data: result.data.map((record: object) => show(record, version)) }
}

function errorAnswer(
  options: ApiOptions,
  error: unknown,
  version: string,
  requestId: string,
): Answer {
  if (!(error instanceof StripeApiError)) {
    options.logger.error({ error, requestId }, 'The Stripe stand-in failed')
    const unknown = new StripeApiError('api_error', 500, 'The sandbox failed; see its log.', {
      type: 'api_error',
    })
    return { status: 500, body: JSON.stringify(unknown.toBody(), null, 2), requestId, isKept: true }
  }
  const body = error.toBody()
  const intent = error.details.payment_intent
  if (intent) body.error.payment_intent = show(intent, version)
  return {
    status: error.status,
    body: JSON.stringify(body, null, 2),
    requestId,
    isKept: error.hasBegun,
  }
}

function respond(
  options: ApiOptions,
  { status, body, requestId }: Answer,
  version: string,
  isReplay: boolean,
  more: Readonly<Record<string, string>> = {},
): Response {
  options.onAnswer({ body, status, version })
  return new Response(body, {
    status,
    headers: {
      'content-type': 'application/json',
      'cache-control': 'no-cache, no-store',
      'request-id': requestId,
      'stripe-version': version,
      ...more,
      ...(isReplay ? { 'idempotent-replayed': 'true', 'original-request': requestId } : {}),
    },
  })
}
