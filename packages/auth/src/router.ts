/**
 * Better Auth's handler with a router that is made once. Its own makes all endpoints and routes anew for each request,
 * a fifth of what a request costs, because base URL and trusted origins may depend on the request. Here they are
 * fixed; where a plugin makes them depend on it, the handler is Better Auth's own.
 *
 * @module
 */

import { runWithAdapter } from '@better-auth/core/context'
import type { AuthContext, BetterAuthOptions } from 'better-auth'
import { router } from 'better-auth/api'

/** What is used here of an instance of Better Auth. */
export interface Routed {
  handler(req: Request): Promise<Response>
  $context: Promise<unknown>
  options: BetterAuthOptions
}

/** Answers requests as `instance.handler` does. */
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
