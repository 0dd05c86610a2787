/**
 * The addresses to which a provider leads the browser back. Each is signed with its order's own key, so
 * that nobody can make the return of an order they were never given. Even a true one only says which
 * order the provider is to be asked about. No cookie is read: these are cross-site navigations.
 *
 * @module
 */

import { timingSafeEqual } from 'node:crypto'
import type { BillingContext } from '../context.ts'
import { hmacHex } from '../providers/signature.ts'
import { returnUrl } from '../return-url.ts'
import { inNumbers, type Order } from '../rows.ts'
import { CALLBACK_PATH } from './settings.ts'

/** How the browser comes back, by the provider's page and not by the provider's word. */
export type ReturnStatus = 'success' | 'cancel'

/** Providers add parameters of their own, some of which are called `signature`. */
const SIGNATURE = 'return_signature'

/** Absolute, and the same for the same order at any time. */
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

export interface Return {
  order: Order
  status: ReturnStatus
  /** Whether the address bears our signature. */
  isSigned: boolean
}

const ID = /^[\w-]{1,255}$/
const OURS = /^[0-9a-f-]{36}$/

/** What an address names, as far as it may be an id. */
export function namedIn({ searchParams }: URL): {
  orderId: string | null
  checkoutId: string | null
} {
  const named = (...names: string[]) =>
    names.flatMap((name) => searchParams.getAll(name)).filter((id) => ID.test(id))
  // A provider may have put its own order's id in place of ours, and ours under another name.
  const orders = named('order_id', 'request_id')
  const [checkoutId = null] = named('checkout_id')
  return { orderId: orders.find((id) => OURS.test(id)) ?? orders[0] ?? null, checkoutId }
}

/**
 * The order that an address names which bears no signature at all: a provider may have put its own parameters in place
 * of ours. Null for none, and where both are named and belong to different orders.
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

/** The order of a return and how it came back; null where no order has signed it. */
export async function readReturn(
  ctx: BillingContext,
  { searchParams }: URL,
): Promise<Return | null> {
  const [signature = ''] = searchParams.getAll(SIGNATURE)
  // A provider may have put its own order's id in place of ours, and ours under another name.
  const ids = [...searchParams.getAll('order_id'), ...searchParams.getAll('request_id')]
  const named = ids.filter((id) => /^[0-9a-f-]{36}$/.test(id)).slice(0, 4)
  if (named.length === 0 || !/^[0-9a-f]{64}$/.test(signature)) return null
  const orders = await ctx.db.order.findMany({ where: { id: { in: named } } })
  for (const order of orders.map(inNumbers)) {
    for (const status of ['success', 'cancel'] as const) {
      const expected = Buffer.from(signatureOf(order, status))
      if (timingSafeEqual(expected, Buffer.from(signature))) {
        return { order, status, isSigned: true }
      }
    }
  }
  return null
}
