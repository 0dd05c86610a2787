/** The host of `fetch.ts` on Node's own HTTP server. */

import { createServer, type Server } from 'node:http'
import { toNodeHandler } from '@repo/auth'
import { createFetch, type Instances } from './fetch.ts'

export function createNodeServer(instances: Instances, baseURL: string): Server {
  // Requests get their address from `baseURL` and never from the header Host.
  return createServer(toNodeHandler(createFetch(instances), { baseURL }))
}
