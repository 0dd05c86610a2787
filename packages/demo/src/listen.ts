/**
 * Serves the host with Hono's server for Node.
 *
 * @module
 */

import type { Server } from 'node:http'
import { type HttpBindings, serve } from '@hono/node-server'
import type { Hono } from 'hono'

/**
 * Listens without a host name, so that `localhost` works over IPv4 and IPv6. There is no proxy in front, so
 * the caller's address is the socket's, whatever the request's headers say.
 */
export function listen(host: Hono, port: number): Promise<Server> {
  return new Promise((done, fail) => {
    // Always a promise, because Hono's server does not handle the failure of a response that it gets directly.
    const fetch = async (req: Request, { incoming }: HttpBindings) => {
      req.headers.set('x-forwarded-for', incoming.socket.remoteAddress ?? '')
      return host.fetch(req)
    }
    const server = serve({ fetch: fetch as Hono['fetch'], port }, () => done(server)) as Server
    server.once('error', fail)
  })
}
