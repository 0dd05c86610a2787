/** What a host may do wrong around the handler, and callers around the host. */

import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Logger } from '@repo/core'
import { beginRaw, sendRaw, statusesOf } from '@repo/core/testing'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { toNodeHandler } from '../index.ts'
import { createTestAuth, TEST_ORIGIN, TEST_PASSWORD } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const log: { level: string; fields: object; message: string | undefined }[] = []
const keep = (level: string) => (fields: object, message?: string) => {
  log.push({ level, fields, message })
}
const logger: Logger = {
  debug: keep('debug'),
  info: keep('info'),
  warn: keep('warn'),
  error: keep('error'),
}
const setup = setUpAuth({ logger })

const post = (body: unknown, headers: Record<string, string> = {}) =>
  new Request(`${TEST_ORIGIN}/api/auth/sign-in/email`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: TEST_ORIGIN, ...headers },
    body,
    duplex: 'half',
  } as RequestInit)

describe.each([
  ['the handler', (req: Request) => setup.auth.handler(req)],
  [
    'a form',
    (req: Request) =>
      setup.auth
        .formAction(req, { path: '/sign-in/email', success: '/', failure: '/' })
        .catch((error: { status: number; code: string }) => Response.json(error, error)),
  ],
])('a body that reaches %s', (_, handle) => {
  test.each([
    ['read', async (req: Request) => void (await req.text())],
    ['while somebody reads it', async (req: Request) => void req.body?.getReader()],
  ])('%s is a 500 that says so', async (_, read) => {
    const req = post('{}')
    await read(req)
    const answer = await handle(req)
    expect([answer.status, await answer.json()]).toMatchObject([500, { code: 'raw_body_required' }])
  })

  test('and breaks off is a 400, and no failure of ours', async () => {
    log.length = 0
    const body = new ReadableStream({ pull: (controller) => controller.error(new Error('gone')) })
    const answer = await handle(post(body))
    expect([answer.status, await answer.json()]).toMatchObject([400, { code: 'invalid_request' }])
    expect(log.filter(({ level }) => level === 'error')).toEqual([])
  })
})

test('a body that the host has read is in the log', async () => {
  log.length = 0
  const req = post('{}')
  await req.text()
  await setup.auth.handler(req)
  expect(log).toMatchObject([{ level: 'error', fields: { error: { code: 'raw_body_required' } } }])
})

test.each(['TRACE', 'CONNECT', 'TRACK'])(
  '%s, which some servers pass on in an object that resembles a Web request, is a 405',
  async (method) => {
    const req = new Proxy(post('{}'), {
      get: (target, key) => (key === 'method' ? method : Reflect.get(target, key, target)),
    })
    const answer = await setup.auth.handler(req)
    expect([answer.status, await answer.json()]).toMatchObject([
      405,
      { code: 'method_not_allowed' },
    ])
  },
)

test('a logger that throws ends neither a request nor its background work', async () => {
  const failing = () => {
    throw new Error('disk full')
  }
  const told = vi.fn(() => Promise.reject(new Error('the mailing list is away')))
  const printed = vi.spyOn(process.stderr, 'write').mockImplementation(() => true)
  const auth = createTestAuth({
    db: setup.db,
    logger: { debug: failing, info: failing, warn: failing, error: failing },
    events: { userCreated: told },
  })
  await auth.signIn('logger@example.com')
  await auth.settled()
  expect(told).toHaveBeenCalled()
  printed.mockRestore()
  await auth.close()
})

describe('under node:http', () => {
  let server: Server
  let port: number
  let before: (req: IncomingMessage) => Promise<void> = async () => {}
  beforeAll(async () => {
    const listener = toNodeHandler(setup.auth)
    server = createServer(async (req, res) => {
      await before(req)
      await listener(req, res)
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    port = (server.address() as AddressInfo).port
  })
  afterAll(() => {
    server.closeAllConnections()
    return new Promise((done) => server.close(done))
  })

  test.each(['[', 'a b', '', 'evil.example', 'user:secret@host', 'x'.repeat(10_240)])(
    'a host of "%s" changes nothing',
    async (host) => {
      const get = `GET /api/auth/get-session HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
      expect(statusesOf(await sendRaw(port, get))).toEqual([200])
    },
  )

  test.each([
    ['JSON', 'application/json', JSON.stringify, JSON.parse],
    [
      'a form',
      'application/x-www-form-urlencoded',
      (fields: Record<string, string>) => new URLSearchParams(fields).toString(),
      (text: string) => Object.fromEntries(new URLSearchParams(text)),
    ],
  ])('%s that was parsed before us signs in', async (_, type, write, parse) => {
    const { email } = await setup.auth.signIn()
    before = async (req) => {
      let text = ''
      for await (const part of req) text += part
      Object.assign(req, { body: parse(text) })
    }
    const answer = await fetch(`http://127.0.0.1:${port}/api/auth/sign-in/email`, {
      method: 'POST',
      headers: { 'content-type': type, origin: TEST_ORIGIN },
      body: write({ email, password: TEST_PASSWORD }),
    })
    before = async () => {}
    expect([answer.status, answer.headers.getSetCookie().length]).toEqual([200, 2])
  })

  test('a caller that disconnects during a sign-in is not logged as an error', async () => {
    log.length = 0
    const [came, left] = [vi.fn(), vi.fn()]
    before = async (req) => {
      came()
      req.once('close', left)
    }
    const head = `POST /api/auth/sign-in/email HTTP/1.1\r\nHost: a\r\nOrigin: ${TEST_ORIGIN}\r\n`
    const socket = await beginRaw(
      port,
      `${head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"email":`,
    )
    await vi.waitFor(() => expect(came).toHaveBeenCalled())
    socket.destroy()
    await vi.waitFor(() => expect(left).toHaveBeenCalled())
    before = async () => {}
    const get = 'GET /api/auth/ok HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
    expect(statusesOf(await sendRaw(port, get))).toEqual([200])
    expect(log.filter(({ level }) => level === 'error')).toEqual([])
  })
})
