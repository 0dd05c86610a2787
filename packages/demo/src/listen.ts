/**
 * How the host is served: by Hono's server for Node.
 *
 * @module
 */

import type { Server } from 'node:http'
import { type HttpBindings, serve } from '@hono/node-server'
import type { Hono } from 'hono'

/**
 * Listens without a host name, so that `localhost` reaches it over IPv4 and IPv6. There is no proxy
 * in front, so the caller's address is the socket's, whatever the request says of itself.
 */
export function listen(host: Hono, port: number): Promise<Server> {
  return new Promise((done, fail) => {
    // A promise always: the server leaves the failure of an answer that was there at once unhandled.
    const fetch = async (req: Request, { incoming }: HttpBindings) => {
      req.headers.set('x-forwarded-for', incoming.socket.remoteAddress ?? '')
      return host.fetch(req)
    }
    const server = serve({ fetch: fetch as Hono['fetch'], port }, () => done(server)) as Server
    server.once('error', fail)
  })
}
