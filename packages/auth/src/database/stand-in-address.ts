/**
 * Stand-ins for e-mail addresses that Better Auth refuses although mail allows them, such as addresses with
 * `&` or `/`, or under `.xn--p1ai`. Better Auth checks the stand-in, and the database adapter replaces it by
 * the real address. No row, mail or answer holds a stand-in.
 *
 * @module
 */

import { canonicalEmail } from '@repo/core'
import type { AuthContext } from 'better-auth'
import * as z from 'zod'
import type { Endpoint } from '../http/endpoint.ts'

/** The domain of stand-ins. No mail goes to `.invalid` (RFC 2606), so nobody has an address there. */
const DOMAIN = '@address.tollgate.invalid'

const known = z.email()

/**
 * The canonical address, as `User.email` stores it: trimmed, in lower case, its domain in ASCII. Null if the
 * text is not exactly one address.
 */
export function accountEmail(typed: string): string | null {
  const email = canonicalEmail(typed.trim())?.toLowerCase() ?? null
  return email?.endsWith(DOMAIN) ? null : email
}

/** The schema of a body's field for an address. It returns the canonical form. */
export const accountAddress = z
  .string()
  .refine((typed) => accountEmail(typed) !== null, 'Invalid email address')
  .transform((typed) => accountEmail(typed) ?? typed)

/** The address, or its stand-in if Better Auth would refuse the address. */
export function standIn(email: string): string {
  if (known.safeParse(email).success || accountEmail(email) === null) return email
  return `${Buffer.from(email).toString('hex')}${DOMAIN}`
}

/** The real address of a stand-in. Any other text is returned unchanged. */
export function fromStandIn(text: string): string {
  if (!text.endsWith(DOMAIN)) return text
  return Buffer.from(text.slice(0, -DOMAIN.length), 'hex').toString()
}

/** Wraps an endpoint so that it checks stand-ins. Its queries and answers have the real address. */
export function withStandIns<E extends Endpoint>(endpoint: E): E {
  const wrapped = async (ctx: Call) => {
    const { body, context } = ctx
    const typed = body?.email
    // Better Auth refuses the empty text, which stands for a malformed address or a caller's own stand-in.
    const email = typeof typed === 'string' ? standIn(accountEmail(typed) ?? '') : null
    const answer = await endpoint({
      ...ctx,
      ...(email === null ? {} : { body: { ...body, email } }),
      context: withOwn(context, { internalAdapter: withAddresses(context.internalAdapter) }),
    })
    const user = (answer as Answer | undefined)?.response?.user
    if (typeof user?.email === 'string') user.email = fromStandIn(user.email)
    return answer
  }
  return Object.assign(wrapped, endpoint) as unknown as E
}

/**
 * The context with some parts replaced. It is a proxy and not a copy, because hooks read what an endpoint
 * sets on it, such as a new session.
 */
export const withOwn = <C extends object>(context: C, own: Partial<C>): C =>
  new Proxy(context, {
    get: (target, key) => Reflect.get(Object.hasOwn(own, key) ? own : target, key),
  })

/** The part of a call that is used here. */
interface Call {
  body?: { email?: unknown }
  context: { internalAdapter: Users }
}
/** The part of an answer that is used here. */
interface Answer {
  response?: { user?: { email?: unknown } }
}
type Users = AuthContext['internalAdapter']

/**
 * Better Auth compares the user that it finds with the address that it asked for, so it must ask for the real
 * address.
 */
const withAddresses = (users: Users): Users => ({
  ...users,
  findUserByEmail: (email, options) => users.findUserByEmail(fromStandIn(email), options),
})
