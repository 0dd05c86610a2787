/** Large bodies over a real connection: the answer arrives, and the next request is served. */

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { toNodeHandler } from '../index.ts'
import { TEST_ORIGIN } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
let server: Server
let url: string
beforeAll(async () => {
  server = createServer(toNodeHandler(setup.auth))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/auth/confirm-email`
})
afterAll(() => {
  server.closeAllConnections()
  return new Promise((done) => server.close(done))
})

const headers = { origin: TEST_ORIGIN, 'content-type': 'application/json' }
const megabyte = () => {
  let left = 16
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(new Uint8Array(64 * 1024).fill(120))
      left -= 1
      if (left === 0) controller.close()
    },
  })
}

test.each([
  ['whose size is declared', () => 'x'.repeat(1024 * 1024)],
  ['that comes in parts', megabyte],
])('a megabyte %s is answered with 413, and others are served', async (_, body) => {
  for (let n = 0; n < 3; n += 1) {
    const init = { method: 'POST', headers, body: body(), duplex: 'half' }
    const refused = await fetch(url, init as RequestInit)
    expect(refused.status).toBe(413)
    expect(await refused.json()).toMatchObject({ code: 'body_too_large' })
    const next = await fetch(url, { method: 'POST', headers, body: '{"token":"x"}' })
    expect(next.status).toBe(400)
    expect(await next.json()).toMatchObject({ code: 'invalid_token' })
  }
})
