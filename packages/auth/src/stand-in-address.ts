/**
 * Better Auth takes fewer addresses than mail does: no `&`, no `/`, no top level like `.xn--p1ai`. Such an address
 * passes its checks as a stand-in, and the database adapter sees the address again, so no row, no mail and no
 * answer holds a stand-in.
 *
 * @module
 */

import { canonicalEmail } from '@repo/core'
import type { AuthContext } from 'better-auth'
import { z } from 'zod'
import type { Endpoint } from './endpoint.ts'

/** No mail goes to `.invalid` (RFC 2606), so nobody has an address here. */
const DOMAIN = '@address.tollgate.invalid'

const known = z.email()

/**
 * The address of an account, as `User.email` holds it: what was typed, without blanks around it, in lower case, its
 * domain in ASCII. Null for what is not one address.
 */
export function accountEmail(typed: string): string | null {
  const email = canonicalEmail(typed.trim())?.toLowerCase() ?? null
  return email?.endsWith(DOMAIN) ? null : email
}

/** The field of a body that holds one; an endpoint reads it as `accountEmail` writes it. */
export const accountAddress = z
  .string()
  .refine((typed) => accountEmail(typed) !== null, 'Invalid email address')
  .transform((typed) => accountEmail(typed) ?? typed)

/** The address, or its stand-in where Better Auth would refuse it. */
export function standIn(email: string): string {
  if (known.safeParse(email).success || accountEmail(email) === null) return email
  return `${Buffer.from(email).toString('hex')}${DOMAIN}`
}

/** The address of a stand-in; any other text as it is. */
export function fromStandIn(text: string): string {
  if (!text.endsWith(DOMAIN)) return text
  return Buffer.from(text.slice(0, -DOMAIN.length), 'hex').toString()
}

/** `endpoint`, which sees stand-ins where it checks an address. What it finds and answers has the address. */
export function withStandIns<E extends Endpoint>(endpoint: E): E {
  const wrapped = async (ctx: Call) => {
    const { body, context } = ctx
    const typed = body?.email
    // What is no address Better Auth refuses; a stand-in from outside is none.
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

/** The context with parts of our own. No copy: hooks read from it what an endpoint writes to it, such as a new session. */
export const withOwn = <C extends object>(context: C, own: Partial<C>): C =>
  new Proxy(context, {
    get: (target, key) => Reflect.get(Object.hasOwn(own, key) ? own : target, key),
  })

interface Call {
  body?: { email?: unknown }
  context: { internalAdapter: Users }
}
interface Answer {
  response?: { user?: { email?: unknown } }
}
type Users = AuthContext['internalAdapter']

/** Better Auth compares what it finds with what it asked for, so it has to ask for the address. */
const withAddresses = (users: Users): Users => ({
  ...users,
  findUserByEmail: (email, options) => users.findUserByEmail(fromStandIn(email), options),
})
