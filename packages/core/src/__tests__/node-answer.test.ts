/** Answers on their way back: cookies, streams, callers that leave, answers that cannot be sent. */

import type { ServerResponse } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { beforeEach, expect, test, vi } from 'vitest'
import { toNodeHandler } from '../node/index.ts'
import { beginRaw, sendRaw, statusesOf } from '../testing.ts'
import { ORIGIN, setUpServer } from './node-server.ts'

const setup = setUpServer()
let response: ServerResponse
beforeEach(() => {
  setup.logger.entries.length = 0
  setup.before = (req, res) => {
    response = res
    return setup.adapter(req, res)
  }
})

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n'
const get = (method = 'GET') =>
  sendRaw(setup.port, `${method}${GET.slice(3)}Connection: close\r\n\r\n`)
const codeOf = (text: string) => /"code":"(\w+)"/.exec(text)?.[1]
const linesOf = (text: string, name: string) =>
  text.split('\r\n').filter((line) => line.toLowerCase().startsWith(`${name}:`))

const MEGABYTE = 1024 * 1024

/** A body of as many megabytes as are asked for, and how many were. */
function megabytes(count: number, end: 'close' | 'error' = 'close') {
  const body = { pulled: 0, isCancelled: false }
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (body.pulled === count) {
        if (end === 'close') return controller.close()
        return controller.error(new Error('the password is hunter2'))
      }
      body.pulled += 1
      controller.enqueue(new Uint8Array(MEGABYTE))
    },
    cancel() {
      body.isCancelled = true
    },
  })
  return { body, stream }
}

test('cookies stay separate, and the cookies of middleware stay', async () => {
  setup.before = (req, res) => {
    res.setHeader('set-cookie', ['own=1'])
    res.setHeader('vary', 'Accept')
    res.setHeader('x-frame-options', 'SAMEORIGIN')
    return setup.adapter(req, res)
  }
  setup.handle = async () => {
    const headers = new Headers({ vary: 'Cookie', 'x-frame-options': 'DENY' })
    headers.append('set-cookie', 'a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT')
    headers.append('set-cookie', 'b=2')
    return new Response('hello', { headers, status: 201 })
  }
  const text = await get()
  expect(statusesOf(text)).toEqual([201])
  expect(linesOf(text, 'set-cookie').map((line) => line.slice(12))).toEqual([
    'own=1',
    'a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT',
    'b=2',
  ])
  expect(linesOf(text, 'vary').join()).toMatch(/Accept.*Cookie/s)
  expect(linesOf(text, 'x-frame-options')).toEqual(['x-frame-options: DENY'])
})

test.each([204, 205, 304])('an answer of %s has no body', async (status) => {
  setup.handle = async () => new Response(null, { status })
  expect(await get()).toMatch(new RegExp(`^HTTP/1.1 ${status} [^]*\\r\\n\\r\\n$`))
})

test('HEAD is answered without a body, and the body is cancelled', async () => {
  const { body, stream } = megabytes(2)
  setup.handle = async () => new Response(stream, { headers: { 'x-size': 'two' } })
  const text = await get('HEAD')
  expect([statusesOf(text), linesOf(text, 'x-size')]).toEqual([[200], ['x-size: two']])
  expect(text.endsWith('\r\n\r\n')).toBe(true)
  expect(body.isCancelled).toBe(true)
})

test('a large answer is produced no faster than the caller reads it, and arrives whole', async () => {
  const { body, stream } = megabytes(64)
  setup.handle = async () => new Response(stream)
  const socket = await beginRaw(setup.port, `${GET}Connection: close\r\n\r\n`)
  await vi.waitFor(() => expect(response.writableNeedDrain).toBe(true))
  expect(body.pulled).toBeLessThan(32)
  let size = 0
  socket.on('data', (part) => {
    size += part.length
  })
  await new Promise((done) => socket.once('close', done))
  expect(body.pulled).toBe(64)
  expect(size).toBeGreaterThanOrEqual(64 * MEGABYTE)
})

test('the handler learns that the caller disconnected during the answer, and nothing is logged', async () => {
  const { body, stream } = megabytes(64)
  let signal: AbortSignal | undefined
  setup.handle = async (req) => {
    signal = req.signal
    return new Response(stream)
  }
  const socket = await beginRaw(setup.port, `${GET}\r\n`)
  await vi.waitFor(() => expect(response.writableNeedDrain).toBe(true))
  expect([signal?.aborted, body.isCancelled]).toEqual([false, false])
  socket.destroy()
  await vi.waitFor(() => expect([signal?.aborted, body.isCancelled]).toEqual([true, true]))
  expect(setup.logger.entries).toEqual([])
})

test('the handler learns that the caller disconnected before the answer, and the answer is cancelled', async () => {
  const { body, stream } = megabytes(2)
  let signal: AbortSignal | undefined
  setup.handle = async (req) => {
    signal = req.signal
    await new Promise((done) => req.signal.addEventListener('abort', done))
    return new Response(stream)
  }
  const socket = await beginRaw(setup.port, `${GET}\r\n`)
  await vi.waitFor(() => expect(signal).toBeDefined())
  socket.destroy()
  await vi.waitFor(() => expect(body.isCancelled).toBe(true))
  expect(setup.logger.entries).toEqual([])
})

test('a handler that fails because the caller disconnected: nothing is logged as our error', async () => {
  const handled = vi.fn()
  setup.handle = async (req) => {
    await new Promise((done) => req.signal.addEventListener('abort', done)).finally(handled)
    throw req.signal.reason
  }
  const socket = await beginRaw(setup.port, `${GET}\r\n`)
  await vi.waitFor(() => expect(response).toBeDefined())
  socket.destroy()
  await vi.waitFor(() => expect(handled).toHaveBeenCalled())
  expect(
    statusesOf(
      await sendRaw(setup.port, 'OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'),
    ),
  ).toEqual([400])
  expect(setup.logger.entries).toEqual([])
})

test('a caller that disconnects after the answer aborts nothing', async () => {
  let signal: AbortSignal | undefined
  setup.handle = async (req) => {
    signal = req.signal
    return new Response('hello')
  }
  await get()
  await vi.waitFor(() => expect(response.closed || response.destroyed).toBe(true))
  expect(signal?.aborted).toBe(false)
})

test('an answer that fails midway is cut off and logged, and does not look complete', async () => {
  setup.handle = async () => new Response(megabytes(1, 'error').stream)
  const text = await get()
  expect(statusesOf(text)).toEqual([200])
  expect(text.endsWith('0\r\n\r\n')).toBe(false)
  expect(text).not.toContain('hunter2')
  expect(setup.logger.entries).toMatchObject([
    { level: 'error', message: 'a response ended before it was complete' },
  ])
})

test.each([
  ['nothing', () => undefined],
  ['an error of the network', () => Response.error()],
  ['a header no header may be', () => new Response('x', { headers: { 'x-a': 'a\u0001b' } })],
  [
    'a body that is being read',
    () => {
      const answer = new Response('x')
      answer.body?.getReader()
      return answer
    },
  ],
])('a handler that answers %s has failed', async (_, made) => {
  setup.handle = (async () => made()) as () => Promise<Response>
  const text = await get()
  expect([statusesOf(text), codeOf(text)]).toEqual([[500], 'internal_error'])
  expect(setup.logger.entries).toMatchObject([{ message: 'a response could not be sent' }])
})

test('a body that yields something other than bytes is cut off', async () => {
  const stream = new ReadableStream({ start: (controller) => controller.enqueue({ no: 'bytes' }) })
  setup.handle = async () => new Response(stream)
  await get()
  expect(setup.logger.entries).toMatchObject([
    { message: 'a response ended before it was complete' },
  ])
})

test('an answer of middleware stays', async () => {
  const { body, stream } = megabytes(2)
  setup.before = (req, res) => {
    res.statusCode = 503
    res.end('busy')
    return setup.adapter(req, res)
  }
  setup.handle = async () => new Response(stream)
  const text = await get()
  expect([statusesOf(text), text.includes('busy')]).toEqual([[503], true])
  expect(body.isCancelled).toBe(true)
  expect(setup.logger.entries).toEqual([])
})

test.each([
  [
    'throws',
    () => {
      throw new Error('disk full')
    },
  ],
  [
    'rejects',
    async () => {
      throw new Error('disk full')
    },
  ],
])('a logger that %s does no harm', async (_, log) => {
  setup.before = toNodeHandler(
    () => {
      throw new Error('unexpected')
    },
    { baseURL: ORIGIN, logger: { debug: log, info: log, warn: log, error: log } },
  )
  expect(statusesOf(await get())).toEqual([500])
})

test('many requests of a caller that disconnects do no harm', async () => {
  let count = 0
  setup.handle = async (req) => {
    count += 1
    await req.text()
    return new Response(megabytes(8).stream)
  }
  const socket = await beginRaw(setup.port, `${GET}\r\n`.repeat(20))
  await vi.waitFor(() => expect(count).toBe(20))
  socket.destroy()
  setup.handle = async () => new Response()
  expect(statusesOf(await get())).toEqual([200])
})

test('HTTP/2 is served the same', async () => {
  const seen: string[] = []
  let signal: AbortSignal | undefined
  const listener = toNodeHandler(
    async (req) => {
      signal = req.signal
      seen.push(`${req.method} ${req.url} ${await req.text()}`)
      return new Response('hello', { headers: { connection: 'close', 'x-a': 'b' } })
    },
    { baseURL: ORIGIN, logger: setup.logger },
  )
  const server = createHttp2Server(listener as never)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const client = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const stream = client.request({ ':method': 'POST', ':path': '/x?y', ':authority': '[' })
  stream.end('body')
  let text = ''
  let status: number | undefined
  stream.setEncoding('utf8').on('response', (headers) => {
    status = headers[':status']
  })
  for await (const part of stream) text += part
  await new Promise<void>((done) => client.close(done))
  await new Promise((done) => server.close(done))
  expect(signal?.aborted).toBe(false)
  expect({ status, text, seen }).toEqual({
    status: 200,
    text: 'hello',
    seen: [`POST ${ORIGIN}/x?y body`],
  })
})
