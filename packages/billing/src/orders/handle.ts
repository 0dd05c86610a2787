/**
 * Orders over HTTP: one route that makes them, and one to which providers come back, with the browser and
 * with webhooks. Both answer refusals as `application/problem+json`; neither logs more than ids.
 *
 * @module
 */

import { isTollgateError, toResponse } from '@repo/core'
import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'
import { record } from '../providers/stripe/shapes.ts'
import { returnUrl } from '../return-url.ts'
import type { Order } from '../rows.ts'
import { readBody } from '../webhooks/ingest.ts'
import { cancelOrder } from './cancel.ts'
import { createOrder } from './create.ts'
import { handleProviderWebhook } from './events.ts'
import { addressOf, CALLBACKS, DELIVERIES, limit, ORDERS } from './limits.ts'
import { namedIn, type ReturnStatus, readReturn, readUnsigned } from './returns.ts'
import { findOrder, settleOrder } from './settle.ts'

export interface CreateOrderRoute {
  /** Who buys: the owner's id, by the session of the request; null for nobody. */
  getOwner: (req: Request) => string | null | Promise<string | null>
}

const MAX_ORDER_BYTES = 16 * 1024

/**
 * `POST { productId, successUrl?, cancelUrl? }` as JSON; `product_id` is taken as well. Answers `{ orderId, checkoutId, url, isNew }`:
 * 201 for a new order, 200 for one that was open already. 10 a minute and owner.
 *
 * Refusals: 400 malformed, 401 nobody signed in, 404 no such product, 405, 409 subscribed already or a
 * payment under way, 413, 415, 429, 502 the provider said no, 503 it did not answer: ask again.
 */
export async function handleCreateOrder(
  ctx: BillingContext,
  req: Request,
  { getOwner }: CreateOrderRoute,
): Promise<Response> {
  try {
    if (req.method !== 'POST') return notAllowed('POST')
    // Only a request of our own pages can carry it: a form of another site cannot.
    const type = req.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
    if (type !== 'application/json') {
      throw new BillingError('unsupported_media_type', 'The order must be application/json.')
    }
    const ownerId = await getOwner(req)
    if (!ownerId) throw new BillingError('sign_in_required', 'Sign in to order.')
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
    throw new BillingError('invalid_payload', 'The order is not JSON.')
  }
  const productId = body?.productId ?? body?.product_id
  if (!body || typeof productId !== 'string') {
    throw new BillingError('invalid_payload', 'The order names no productId.')
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
  throw new BillingError('invalid_return_url', `${name} must be an address.`)
}

/**
 * Where a provider comes back. `GET` is the browser: all that its address says is which order to ask the provider
 * about; the answer is a redirect (303) to the order's own page, with `order_id` and `status` (`pending`, `completed`,
 * `cancelled`) added. An order is given up only by an address that bears our signature; one without it that names
 * `order_id` or `checkout_id` has the provider asked, and that is all. No session is needed, because
 * strict cookies do not come along. 100 a minute and address. `POST` is the provider's webhook, as
 * `handleStripeWebhook`, for whichever provider takes payments: 6,000 a minute and address, of those that are signed.
 */
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
      throw new BillingError('invalid_signature', 'This is not the return address of any order.')
    }
    return redirect(ctx, await settled(ctx, back), back.status)
  } catch (error) {
    return refuse(ctx, error, 'payment callback failed')
  }
}

/** Whatever goes wrong, the browser is led on: the webhook or the job will settle the order. */
async function settled(
  ctx: BillingContext,
  { order, status, isSigned }: { order: Order; status: ReturnStatus; isSigned: boolean },
): Promise<Order> {
  try {
    // Only an address of ours may give an order up.
    const act = status === 'cancel' && isSigned ? cancelOrder : settleOrder
    return await act(ctx, order.id)
  } catch (error) {
    const code = isTollgateError(error) ? error.code : 'internal_error'
    ctx.logger.error({ orderId: order.id, code, error }, 'order not settled')
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

/** Checked when the order was made, and again: the host may have moved since. */
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
