/**
 * Orders over HTTP: one route creates orders, and one receives the returning browser and the provider's
 * webhooks. Both answer refusals as `application/problem+json` and log only ids.
 *
 * @module
 */

import { isTollgateError, toResponse } from '@repo/core'
import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'
import { record } from '../providers/json.ts'
import { returnUrl } from '../return-url.ts'
import type { Order } from '../rows.ts'
import { readBody } from '../webhooks/ingest.ts'
import { cancelOrder } from './cancel.ts'
import { createOrder } from './create.ts'
import { handleProviderWebhook } from './events.ts'
import { addressOf, CALLBACKS, DELIVERIES, limit, ORDERS } from './limits.ts'
import { namedIn, type ReturnStatus, readReturn, readUnsigned } from './returns.ts'
import { findOrder, settleOrder } from './settle.ts'

/** The options of `handleCreateOrder`. */
export interface CreateOrderRoute {
  /** Returns the buyer's owner id from the session of the request. Null: nobody is signed in. */
  getOwner: (req: Request) => string | null | Promise<string | null>
}

/** The largest request body, in bytes. */
const MAX_ORDER_BYTES = 16 * 1024

/** Creates an order. The contract is in `functions/orders.ts`. */
export async function handleCreateOrder(
  ctx: BillingContext,
  req: Request,
  { getOwner }: CreateOrderRoute,
): Promise<Response> {
  try {
    if (req.method !== 'POST') return notAllowed('POST')
    // A form on another site cannot send this content type, which protects against cross-site
    // requests.
    const type = req.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
    if (type !== 'application/json') {
      throw new BillingError(
        'unsupported_media_type',
        'The content type of the request must be application/json.',
      )
    }
    const ownerId = await getOwner(req)
    if (!ownerId)
      throw new BillingError('sign_in_required', 'Nobody is signed in. Sign in to order.')
    await limit(ctx, ORDERS, ownerId)
    const created = await createOrder(ctx, { ownerId, ...(await inputOf(req)) })
    return Response.json(created, {
      status: created.isNew ? 201 : 200,
      headers: { 'cache-control': 'no-store' },
    })
  } catch (error) {
    return refuse(ctx, error, 'order failed')
  }
}

/** @throws `payload_too_large`, `invalid_payload`, `invalid_return_url`. */
async function inputOf(req: Request) {
  let body: Record<string, unknown> | null
  try {
    body = record(JSON.parse(await readBody(req, MAX_ORDER_BYTES)))
  } catch (error) {
    if (error instanceof BillingError) throw error
    throw new BillingError('invalid_payload', 'The body of the request is not valid JSON.')
  }
  const productId = body?.productId ?? body?.product_id
  if (!body || typeof productId !== 'string') {
    throw new BillingError('invalid_payload', 'The body of the request must contain a productId.')
  }
  return {
    productId,
    ...address(body, 'successUrl'),
    ...address(body, 'cancelUrl'),
  }
}

function address<Name extends 'successUrl' | 'cancelUrl'>(
  body: Record<string, unknown>,
  name: Name,
): { [key in Name]?: string } {
  const value = body[name]
  if (value === undefined || value === null) return {}
  if (typeof value === 'string') return { [name]: value } as { [key in Name]?: string }
  throw new BillingError(
    'invalid_return_url',
    `${name} must be a string: a path or URL of this site.`,
  )
}

/** Receives the browser and the webhooks of the provider. The contract is in `functions/orders.ts`. */
export async function handlePaymentCallback(ctx: BillingContext, req: Request): Promise<Response> {
  const { method } = req
  if (method === 'POST') {
    ctx.logger.info({ method, provider: ctx.provider.name }, 'payment callback')
    return handleProviderWebhook(ctx, req, async () => {
      const caller = addressOf(ctx, req)
      if (caller !== null) await limit(ctx, DELIVERIES, caller)
    })
  }
  if (method !== 'GET') return notAllowed('GET, POST')
  try {
    const url = new URL(req.url)
    const named = namedIn(url)
    ctx.logger.info({ method, ...named }, 'payment callback')
    const caller = addressOf(ctx, req)
    if (caller !== null) await limit(ctx, CALLBACKS, caller)
    const back = (await readReturn(ctx, url)) ?? (await readUnsigned(ctx, url, named))
    if (!back) {
      throw new BillingError(
        'invalid_signature',
        'The return URL names no known order, or its signature is wrong.',
      )
    }
    return redirect(ctx, await settled(ctx, back), back.status)
  } catch (error) {
    return refuse(ctx, error, 'payment callback failed')
  }
}

/**
 * Settles or cancels the order. If that fails, the browser is still redirected, and the webhook or the job
 * settles the order later.
 */
async function settled(
  ctx: BillingContext,
  { order, status, isSigned }: { order: Order; status: ReturnStatus; isSigned: boolean },
): Promise<Order> {
  try {
    // Only a URL with our signature may cancel an order.
    const act = status === 'cancel' && isSigned ? cancelOrder : settleOrder
    return await act(ctx, order.id)
  } catch (error) {
    const code = isTollgateError(error) ? error.code : 'internal_error'
    ctx.logger.error({ orderId: order.id, code, error }, 'could not settle the order')
    return findOrder(ctx, order.id)
  }
}

function redirect(ctx: BillingContext, order: Order, back: ReturnStatus): Response {
  const { id, status, successUrl, cancelUrl } = order
  const isLeft = status === 'cancelled' || (status === 'pending' && back === 'cancel')
  const location = new URL(allowed(ctx, isLeft ? cancelUrl : successUrl))
  location.searchParams.set('order_id', id)
  location.searchParams.set('status', status)
  return new Response(null, {
    status: 303,
    headers: { location: location.href, 'cache-control': 'no-store' },
  })
}

/** Checks the URL again, as when the order was created: the host's URL may have changed since. */
function allowed(ctx: BillingContext, address: string | null): string {
  try {
    return returnUrl(ctx.appUrl, address ?? '/')
  } catch {
    return ctx.appUrl.href
  }
}

const notAllowed = (allow: string) => new Response(null, { status: 405, headers: { allow } })

function refuse(ctx: BillingContext, error: unknown, what: string): Response {
  const isRefusal = isTollgateError(error) && error.status < 500
  if (!isRefusal) ctx.logger.error({ error }, what)
  return toResponse(error)
}
