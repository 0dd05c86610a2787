/**
 * Better Auth's sign-up and sign-in by password, answered alike for every address: an account, a sign-up that waits
 * for its confirmation, and nobody. In place of its endpoints, because a hook cannot change the status of an answer.
 *
 * @module
 */

import type { AuthContext, BetterAuthPlugin } from 'better-auth'
import { APIError, isAPIError, signInEmail, signUpEmail, verifyEmail } from 'better-auth/api'
import type { Endpoint } from './endpoint.ts'
import { namedOr } from './linking.ts'
import { withOwn, withStandIns } from './stand-in-address.ts'
import { noteRightPassword } from './unproven.ts'

/** Signing up and in and confirming, for every address of `accountEmail`. */
export const passwordEndpoints = () =>
  ({
    id: 'tollgate-addresses',
    endpoints: {
      // The names are Better Auth's: an endpoint of the same name takes the place of its own.
      signUpEmail: withStandIns(sameSignUp(signUpEmail())),
      signInEmail: withStandIns(sameSignIn(signInEmail())),
      verifyEmail: withStandIns(verifyEmail),
    },
  }) satisfies BetterAuthPlugin

/** The right password of an address that nobody has proven is refused like a wrong one. */
function sameSignIn<E extends Endpoint>(endpoint: E): E {
  const wrapped = async (ctx: unknown) => {
    try {
      return await endpoint(ctx)
    } catch (error) {
      if (!isAPIError(error) || error.body?.code !== 'EMAIL_NOT_VERIFIED') throw error
      await noteRightPassword()
      throw new APIError('UNAUTHORIZED', {
        code: 'INVALID_EMAIL_OR_PASSWORD',
        message: 'Invalid email or password',
      })
    }
  }
  return Object.assign(wrapped, endpoint) as unknown as E
}

interface SignUpCall {
  /** Better Auth checks it. */
  body?: { email?: unknown; name?: unknown }
  context: Pick<AuthContext, 'internalAdapter' | 'password'>
}

/**
 * The answer repeats the name as a row would hold it. Of several sign-ups at once with one new address the first
 * makes the user; the others are answered as for a known address, and hash nothing again.
 */
function sameSignUp<E extends Endpoint>(endpoint: E): E {
  const wrapped = async (ctx: SignUpCall) => {
    const { body = {}, context } = ctx
    const { email, name } = body
    if (typeof email !== 'string' || typeof name !== 'string') return endpoint(ctx)
    let hashed: string | undefined
    const password = {
      ...context.password,
      async hash(text: string) {
        hashed ??= await context.password.hash(text)
        return hashed
      },
    }
    const call = {
      ...ctx,
      body: { ...body, name: namedOr(name, email) },
      context: withOwn(context, { password }),
    }
    try {
      return await endpoint(call)
    } catch (error) {
      const isLate = isAPIError(error) && error.statusCode === 422
      if (!isLate || !(await context.internalAdapter.findUserByEmail(email))) throw error
      return endpoint(call)
    }
  }
  return Object.assign(wrapped, endpoint) as unknown as E
}
