/**
 * Answers a sign-up and a sign-in by password alike for every address, whether it has an account, waits for
 * its confirmation or is unknown. These endpoints replace Better Auth's, because a hook cannot change an
 * answer's status.
 *
 * @module
 */

import { setTimeout } from 'node:timers/promises'
import type { AuthContext, BetterAuthPlugin } from 'better-auth'
import { APIError, isAPIError, signInEmail, signUpEmail, verifyEmail } from 'better-auth/api'
import type { OwnFields } from '../account/user-fields.ts'
import { checkSignUp } from '../account/user-fields-plugin.ts'
import { withOwn, withStandIns } from '../database/stand-in-address.ts'
import type { Endpoint } from '../http/endpoint.ts'
import { namedOr } from './linking.ts'
import { noteRightPassword } from './unproven.ts'

/** The plugin with sign-up, sign-in and confirmation for every address that `accountEmail` accepts. */
export const passwordEndpoints = (own: OwnFields) =>
  ({
    id: 'tollgate-addresses',
    endpoints: {
      // Better Auth uses these names too, and an endpoint with the same name replaces its own.
      /**
       * Signs up by address and password, and mails the confirmation. Answers alike for known and unknown
       * addresses.
       */
      signUpEmail: withStandIns(sameSignUp(own, signUpEmail())),
      /** Signs in by address and password, and sets the cookies. A second factor may follow. */
      signInEmail: withStandIns(sameSignIn(signInEmail())),
      /** Better Auth's own confirmation. Pages use `confirmEmail`, which needs a button. */
      verifyEmail: withStandIns(verifyEmail),
    },
  }) satisfies BetterAuthPlugin

/** Refuses the right password of an unproven address like a wrong one. */
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

/** The part of a sign-up that is used here. */
interface SignUpCall {
  /** Better Auth checks it later. */
  body?: { email?: unknown; name?: unknown; [field: string]: unknown }
  headers?: Headers
  context: Pick<AuthContext, 'internalAdapter' | 'password'>
}

/**
 * How long a sign-up lasts after its hash, as a part of the time that the hash took. For a new address, rows are
 * written in that time; the answer for a known address waits as long, so that its time reveals nothing either.
 */
const REST = 1 / 4
/** The longest rest, in milliseconds. A hash may have waited for seconds behind others. */
const LONGEST_REST_MS = 100

/**
 * Answers every sign-up alike and at the same time, with the name in the form that a row would hold. Of several parallel sign-ups
 * with one new address, the first makes the user. The others are answered as for a known address, and reuse
 * their hash.
 */
function sameSignUp<E extends Endpoint>(own: OwnFields, endpoint: E): E {
  const wrapped = async (ctx: SignUpCall) => {
    const { body = {}, context, headers } = ctx
    const { email, name } = body
    if (typeof email !== 'string' || typeof name !== 'string') return endpoint(ctx)
    const values = await checkSignUp(own, body, headers && new Headers(headers))
    let hashed: string | undefined
    let rest: Promise<unknown> | undefined
    const password = {
      ...context.password,
      async hash(text: string) {
        const since = performance.now()
        hashed ??= await context.password.hash(text)
        rest ??= setTimeout(Math.min(REST * (performance.now() - since), LONGEST_REST_MS))
        return hashed
      },
    }
    const call = {
      ...ctx,
      body: { ...body, ...values, name: namedOr(name, email) },
      context: withOwn(context, { password }),
    }
    try {
      return await endpoint(call)
    } catch (error) {
      const isLate = isAPIError(error) && error.statusCode === 422
      if (!isLate || !(await context.internalAdapter.findUserByEmail(email))) throw error
      return await endpoint(call)
    } finally {
      await rest
    }
  }
  return Object.assign(wrapped, endpoint) as unknown as E
}
