/**
 * The URLs to which a provider sends the browser back. Each URL is signed with its order's own key, so that
 * nobody can forge the return of an order. Even a valid URL only says which order to ask the provider about.
 * No cookie is read, because these are cross-site navigations.
 *
 * @module
 */

import { isSameSecret } from '@repo/core/http'
import type { BillingContext } from '../context.ts'
import { hmacHex } from '../providers/signature.ts'
import { returnUrl } from '../return-url.ts'
import { inNumbers, type Order } from '../rows.ts'
import { CALLBACK_PATH } from './settings.ts'

/** The link by which the browser left the provider's page. It does not prove a payment. */
export type ReturnStatus = 'success' | 'cancel'

/** Not `signature`, because providers add a parameter of that name themselves. */
const SIGNATURE = 'return_signature'

/** The absolute return URL of an order. The same order always has the same URLs. */
export function returnAddress(
  ctx: BillingContext,
  order: Pick<Order, 'id' | 'returnKey'>,
  status: ReturnStatus,
): string {
  const url = new URL(returnUrl(ctx.appUrl, ctx.orders.callbackPath ?? CALLBACK_PATH))
  url.searchParams.set('order_id', order.id)
  url.searchParams.set('status', status)
  url.searchParams.set(SIGNATURE, signatureOf(order, status))
  return url.href
}

const signatureOf = ({ id, returnKey }: Pick<Order, 'id' | 'returnKey'>, status: ReturnStatus) =>
  hmacHex(returnKey, `return:${id}:${status}`)

/** The order that a return URL names. */
export interface Return {
  order: Order
  status: ReturnStatus
  /** Whether the URL has our signature. */
  isSigned: boolean
}

const ID = /^[\w-]{1,255}$/
const OURS = /^[0-9a-f-]{36}$/

/** The order and checkout ids in a URL's query. A value that cannot be an id is ignored. */
export function namedIn({ searchParams }: URL): {
  orderId: string | null
  checkoutId: string | null
} {
  const named = (...names: string[]) =>
    names.flatMap((name) => searchParams.getAll(name)).filter((id) => ID.test(id))
  // A provider may put its own order id into `order_id`, and ours into `request_id`.
  const orders = named('order_id', 'request_id')
  const [checkoutId = null] = named('checkout_id')
  return { orderId: orders.find((id) => OURS.test(id)) ?? orders[0] ?? null, checkoutId }
}

/**
 * The order that a URL without any signature names: a provider may have replaced our parameters. Null: the
 * URL names no known order, or its `order_id` and `checkout_id` belong to different orders.
 */
export async function readUnsigned(
  ctx: BillingContext,
  { searchParams }: URL,
  { orderId, checkoutId }: ReturnType<typeof namedIn>,
): Promise<Return | null> {
  if (searchParams.has(SIGNATURE) || (orderId === null && checkoutId === null)) return null
  const { name: provider } = ctx.provider
  const rows = await ctx.db.order.findMany({
    where: {
      OR: [
        ...(orderId === null ? [] : [{ id: orderId }]),
        ...(checkoutId === null ? [] : [{ provider, checkoutId }]),
      ],
    },
  })
  const [order, other] = rows.map(inNumbers)
  if (!order || other) return null
  const status = searchParams.get('status') === 'cancel' ? 'cancel' : 'success'
  return { order, status, isSigned: false }
}

/**
 * The order of a signed return URL, and by which link the browser came back. Null: the signature matches no
 * order.
 */
export async function readReturn(
  ctx: BillingContext,
  { searchParams }: URL,
): Promise<Return | null> {
  const [signature = ''] = searchParams.getAll(SIGNATURE)
  // A provider may put its own order id into `order_id`, and ours into `request_id`.
  const ids = [...searchParams.getAll('order_id'), ...searchParams.getAll('request_id')]
  const named = ids.filter((id) => /^[0-9a-f-]{36}$/.test(id)).slice(0, 4)
  if (named.length === 0 || !/^[0-9a-f]{64}$/.test(signature)) return null
  const orders = await ctx.db.order.findMany({ where: { id: { in: named } } })
  for (const order of orders.map(inNumbers)) {
    for (const status of ['success', 'cancel'] as const) {
      if (isSameSecret(signature, signatureOf(order, status))) {
        return { order, status, isSigned: true }
      }
    }
  }
  return null
}
