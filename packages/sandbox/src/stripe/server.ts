/**
 * The HTTP side of the API: authentication, versions, parameters, idempotency, errors. Whatever goes
 * wrong, the answer has an `error` member and a `request-id`.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import type { Logger } from '@repo/core'
import { Hono, type Context as HonoContext } from 'hono'
import { accountEndpoints } from './account.ts'
import { authenticate, checkVersion, type Failure, failureError } from './admission.ts'
import { catalogEndpoints } from './catalog.ts'
import { chargeEndpoints } from './charges.ts'
import { checkoutEndpoints } from './checkout.ts'
import { copy } from './copy.ts'
import { customerEndpoints } from './customers.ts'
import { disputeEndpoints } from './disputes.ts'
import type { Endpoint, List } from './endpoint.ts'
import { StripeApiError } from './errors.ts'
import { type DeliveryStatus, eventEndpoints } from './events.ts'
import { expand } from './expand.ts'
import { delay, type FaultKind, hang, tearDown } from './faults.ts'
import { Params, parseForm } from './forms.ts'
import { invoiceEndpoints } from './invoice-endpoints.ts'
import { paymentIntentEndpoints } from './payment-intents.ts'
import { paymentMethodEndpoints } from './payment-methods.ts'
import { portalEndpoints } from './portal.ts'
import { previewEndpoints } from './preview.ts'
import { refundEndpoints } from './refunds.ts'
import { scheduleEndpoints } from './schedules.ts'
import { type Shown, show } from './shapes.ts'
import { type KeptAnswer, randomText, type Store } from './store.ts'
import { subscriptionEndpoints } from './subscriptions.ts'
import { webhookEndpointEndpoints } from './webhook-endpoints.ts'

export interface ApiOptions {
  store: Store
  secretKey: string
  logger: Logger
  statusOf(eventId: string): DeliveryStatus
  /** Takes one failure off what `failNext` asked for; null where none is left. */
  takeFailure(): Failure | null
  /** How this request fails, of what `setFaults` asked for; null where it does not. */
  takeFault(): FaultKind | null
  /** Told after every request that may have changed something. */
  onChange(): void
}

/** How long an answer is kept under its idempotency key, in milliseconds of wall time. */
const ANSWER_LIFE_MS = 24 * 60 * 60 * 1000

/**
 * Beyond so many kept answers the oldest leaves before its time. A caller's tries with one key lie
 * close together, and a long run must not fill the memory.
 */
const MAX_ANSWERS = 20_000

/** Larger than any request the API takes. */
const MAX_BODY_BYTES = 1024 * 1024

interface Answer {
  status: number
  body: string
  requestId: string
}

/** The app that answers `/v1/*`. */
export function createApi(options: ApiOptions): Hono {
  const app = new Hono()
  const endpoints = [
    ...accountEndpoints(options.secretKey),
    ...catalogEndpoints,
    ...chargeEndpoints,
    ...checkoutEndpoints,
    ...customerEndpoints,
    ...disputeEndpoints,
    ...eventEndpoints(options.statusOf),
    // Before the invoices: `upcoming` would be taken for the id of one.
    ...previewEndpoints,
    ...invoiceEndpoints,
    ...paymentIntentEndpoints,
    ...paymentMethodEndpoints,
    ...portalEndpoints,
    ...refundEndpoints,
    ...scheduleEndpoints,
    ...subscriptionEndpoints,
    ...webhookEndpointEndpoints,
  ]
  for (const endpoint of endpoints) {
    app.on(endpoint.method, endpoint.path, (c) => answer(options, c, endpoint))
  }
  for (const path of ['/v1', '/v1/*', '/v2/*']) app.all(path, (c) => answer(options, c, null))
  return app
}

/** Answers one request; `endpoint` is null where the path is unknown. */
async function answer(
  options: ApiOptions,
  c: HonoContext,
  endpoint: Endpoint | null,
): Promise<Response> {
  const requestId = `req_${randomText(14)}`
  const accountVersion = options.store.apiVersion
  const version = c.req.header('stripe-version') ?? accountVersion
  try {
    authenticate(c.req.header('authorization'), options.secretKey)
    checkVersion(version)
    const failure = options.takeFailure()
    if (failure !== null) throw failureError(failure)
    const fault = options.takeFault()
    const isDone = fault === null || fault === 'applied' || fault === 'late'
    if (!isDone) throw await fail(c, fault)
    if (endpoint === null) throw unrecognized(c)
    const text = c.req.method === 'POST' ? await readBody(c) : new URL(c.req.url).search.slice(1)
    // From here on nothing awaits: the request is one step, and two with one key cannot both act.
    const answered = runOnce(options, c, endpoint, { text, version, requestId })
    if (fault === 'applied') throw failureError({ status: 500 })
    if (fault === 'late') await delay(c.req.raw.signal)
    return respond(answered.answer, version, answered.isReplay)
  } catch (error) {
    return respond(errorAnswer(options, error, version, requestId), version, false)
  }
}

/** Lets a request fail before anything is done; the error is for a caller who still listens. */
async function fail(c: HonoContext, fault: FaultKind): Promise<StripeApiError> {
  if (fault === 'hang') await hang(c.req.raw.signal)
  if (fault === 'reset') tearDown(c.env)
  return failureError({ status: fault === '429' ? 429 : 500 })
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

/** Runs the request, or repeats the answer kept under its idempotency key. */
function runOnce(
  options: ApiOptions,
  c: HonoContext,
  endpoint: Endpoint,
  request: { text: string; version: string; requestId: string },
): { answer: Answer; isReplay: boolean } {
  const { store } = options
  const key = c.req.method === 'POST' ? c.req.header('idempotency-key') : undefined
  if (key !== undefined && (key === '' || key.length > 255)) {
    throw idempotencyError(400, 'Idempotency keys must be between 1 and 255 characters long.')
  }
  const run = (): Answer => {
    store.request = { id: request.requestId, idempotency_key: key ?? null }
    try {
      return runEndpoint(options, c.req.param('id') ?? '', endpoint, request)
    } finally {
      store.request = { id: null, idempotency_key: null }
      if (c.req.method !== 'GET') options.onChange()
    }
  }
  if (key === undefined) return { answer: run(), isReplay: false }

  const fingerprint = createHash('sha256').update(`${c.req.path}\n${request.text}`).digest('hex')
  const kept = keptAnswer(store, key)
  if (kept !== undefined && kept.fingerprint !== fingerprint) {
    throw idempotencyError(
      400,
      'Keys for idempotent requests can only be used with the same parameters they were first used with.',
    )
  }
  if (kept !== undefined) return { answer: kept, isReplay: true }
  const made = run()
  // A refused parameter began nothing, so a corrected request may use the key; the rest is kept.
  if (isKept(made)) keepAnswer(store, key, { ...made, fingerprint, at: Date.now() })
  return { answer: made, isReplay: false }
}

const isKept = ({ status }: Answer): boolean => status < 400 || status === 402

/** Keeps an answer and sweeps out the oldest, which are first, where they are past their time. */
function keepAnswer(store: Store, key: string, answer: KeptAnswer): void {
  store.answers.set(key, answer)
  for (const [oldest, { at }] of store.answers) {
    if (store.answers.size <= MAX_ANSWERS && answer.at - at < ANSWER_LIFE_MS) break
    store.answers.delete(oldest)
  }
}

function keptAnswer(store: Store, key: string) {
  const kept = store.answers.get(key)
  if (kept === undefined || Date.now() - kept.at < ANSWER_LIFE_MS) return kept
  store.answers.delete(key)
  return undefined
}

const idempotencyError = (status: number, message: string): StripeApiError =>
  new StripeApiError('idempotency_error', status, message, { type: 'idempotency_error' })

/** One run of an endpoint; its refusals become answers, so that they can be kept, too. */
function runEndpoint(
  options: ApiOptions,
  id: string,
  endpoint: Endpoint,
  { text, version, requestId }: { text: string; version: string; requestId: string },
): Answer {
  const { store } = options
  try {
    const params = new Params(parseForm(text))
    params.only([...(endpoint.params ?? []), ...(endpoint.ignored ?? []), 'expand'])
    const paths = params.strings('expand')
    const made = endpoint.run({ store, params, id, version })
    // Expansion writes into the answer; without it the records themselves are only read.
    const result = paths.length > 0 ? copy(made) : made
    const shown = endpoint.isShown ? (result as Shown) : showResult(result, version)
    for (const path of paths) expand(store, shown, path, version)
    return { status: 200, body: JSON.stringify(shown, null, 2), requestId }
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
    return { status: 500, body: JSON.stringify(unknown.toBody(), null, 2), requestId }
  }
  const body = error.toBody()
  const intent = error.details.payment_intent
  if (intent) body.error.payment_intent = show(intent, version)
  return { status: error.status, body: JSON.stringify(body, null, 2), requestId }
}

function respond(
  { status, body, requestId }: Answer,
  version: string,
  isReplay: boolean,
): Response {
  return new Response(body, {
    status,
    headers: {
      'content-type': 'application/json',
      'cache-control': 'no-cache, no-store',
      'request-id': requestId,
      'stripe-version': version,
      ...(isReplay ? { 'idempotent-replayed': 'true', 'original-request': requestId } : {}),
    },
  })
}
