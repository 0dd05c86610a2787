/** The demo's server: an answer that cannot be sent does not end the process. */

import type { AddressInfo } from 'node:net'
import { sendRaw, statusesOf } from '@repo/core/testing'
import { Hono } from 'hono'
import { expect, test, vi } from 'vitest'
import { listen } from '../listen.ts'

test.each([
  ['at once', (answer: Response) => answer],
  ['later', async (answer: Response) => answer],
])('a header that Node refuses, answered %s, fails only its own request', async (_, give) => {
  // The server prints the error.
  const printed = vi.spyOn(console, 'error').mockImplementation(() => {})
  const host = new Hono()
    .get('/broken', () => give(new Response('x', { headers: { 'x-a': 'a\u0001b' } })))
    .get('/', (c) => c.text('hello'))
  const server = await listen(host, 0)
  const { port } = server.address() as AddressInfo
  const get = (path: string) =>
    sendRaw(port, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
  expect(statusesOf(await get('/broken'))).toEqual([500])
  expect(statusesOf(await get('/'))).toEqual([200])
  expect(printed).toHaveBeenCalled()
  printed.mockRestore()
  server.close()
})
