/**
 * Better Auth's handler with a router that is made once. Better Auth makes all endpoints and routes again for
 * each request, because the base URL and the trusted origins may depend on the request; that is a fifth of a
 * request's cost. Here they are fixed. If a plugin makes them depend on the request, Better Auth's own
 * handler answers.
 *
 * @module
 */

import { runWithAdapter } from '@better-auth/core/context'
import type { AuthContext, BetterAuthOptions } from 'better-auth'
import { router } from 'better-auth/api'

/** The part of a Better Auth instance that is used here. */
export interface Routed {
  handler(req: Request): Promise<Response>
  $context: Promise<unknown>
  options: BetterAuthOptions
}

/** Makes a handler that answers like `instance.handler`. */
export function createHandler(instance: Routed): (req: Request) => Promise<Response> {
  let made: Promise<(req: Request) => Promise<Response>> | undefined

  async function make(): Promise<(req: Request) => Promise<Response>> {
    const context = (await instance.$context) as AuthContext
    const { baseURL, trustedOrigins, account } = context.options
    const depends = [trustedOrigins, account?.accountLinking?.trustedProviders]
    const isFixed = typeof baseURL === 'string' && depends.every((one) => typeof one !== 'function')
    if (!isFixed) return (req) => instance.handler(req)
    const { handler } = router(context, instance.options)
    return async (req) => await runWithAdapter(context.adapter, () => handler(req))
  }

  return async (req) => {
    made ??= make()
    return (await made)(req)
  }
}
