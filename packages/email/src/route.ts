/**
 * How a sender delivers: its transport and its address. The checks read it from a sender that may come from another
 * copy of this package, so it is stored under a registered symbol.
 *
 * @module
 */

import type { Transport } from './transport.ts'

/** The transport of a sender, and the address that mails come from. */
export interface Route {
  /** `given`: the host passed the transport to `createSender`. */
  kind: 'resend' | 'outbox' | 'given'
  transport: Transport
  from: string
}

const ROUTE = Symbol.for('@repo/email/route')

/** Stores how `sender` finds its route, where only `routeOf` looks. */
export const withRoute = <T extends object>(sender: T, route: () => Route): T =>
  Object.defineProperty(sender, ROUTE, { value: route })

/** The route of a sender; null for one that `createSender` did not make. @throws what the first mail would throw */
export const routeOf = (sender: object | undefined): Route | null =>
  (sender && (Reflect.get(sender, ROUTE) as (() => Route) | undefined)?.()) ?? null
