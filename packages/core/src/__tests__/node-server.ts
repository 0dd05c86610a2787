/** A handler under node:http, for as long as a test file runs. */

import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll } from 'vitest'
import { type NodeHandlerOptions, toNodeHandler, type WebHandler } from '../node/index.ts'
import { createTestLogger } from '../testing.ts'

export const ORIGIN = 'https://app.example.com'

/** `handle` may be replaced by each test; `before` stands where middleware would. */
export function setUpServer(options: NodeHandlerOptions = {}) {
  const logger = createTestLogger()
  const adapter = toNodeHandler((req: Request) => setup.handle(req), {
    baseURL: ORIGIN,
    logger,
    ...options,
  })
  const setup = {
    port: 0,
    logger,
    adapter,
    handle: (async () => new Response()) as WebHandler,
    before: ((req, res) => adapter(req, res)) as RequestListener,
  }
  let server: Server
  beforeAll(async () => {
    server = createServer((req, res) => setup.before(req, res))
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    setup.port = (server.address() as AddressInfo).port
  })
  afterAll(() => {
    server.closeAllConnections()
    return new Promise((done) => server.close(done))
  })
  return setup
}
