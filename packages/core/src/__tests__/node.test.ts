/** What a request says of itself, as bytes: host, target, method, headers. */

import fc from 'fast-check'
import { beforeEach, expect, test } from 'vitest'
import { TollgateError } from '../index.ts'
import { toNodeHandler } from '../node/index.ts'
import { sendRaw, statusesOf } from '../testing.ts'
import { ORIGIN, setUpServer } from './node-server.ts'

const setup = setUpServer()
let seen: Request[]
beforeEach(() => {
  seen = []
  setup.logger.entries.length = 0
  setup.before = setup.adapter
  setup.handle = async (req) => {
    seen.push(req)
    return Response.json({ ok: true })
  }
})

const get = (target: string, headers = 'Host: app.example.com\r\n') =>
  sendRaw(setup.port, `GET ${target} HTTP/1.1\r\n${headers}Connection: close\r\n\r\n`)

const problemOf = (text: string) => /"code":"(\w+)"/.exec(text)?.[1]

test.each([
  ['of another host', 'Host: evil.example\r\n'],
  ['that is a bracket', 'Host: [\r\n'],
  ['with a blank', 'Host: a b\r\n'],
  ['with a user', 'Host: user:secret@app.example.com\r\n'],
  ['that is empty', 'Host:\r\n'],
  ['with bytes of no alphabet', 'Host: \xff\xfe\r\n'],
  ['with a path', 'Host: app.example.com/../x\r\n'],
  ['of ten kilobytes', `Host: ${'h'.repeat(10_240)}\r\n`],
  ['told by a proxy', 'Host: a\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: ftp\r\n'],
])('a host %s does not change the request’s address', async (_, headers) => {
  expect(statusesOf(await get('/a?b=c', headers))).toEqual([200])
  expect(seen.map(({ url }) => url)).toEqual([`${ORIGIN}/a?b=c`])
})

test('two Host headers are refused, and HTTP/1.0 without one is served', async () => {
  const twice = await get('/', 'Host: app.example.com\r\nHost: evil.example\r\n')
  expect([statusesOf(twice), problemOf(twice)]).toEqual([[400], 'invalid_header'])
  expect(statusesOf(await get('/', ''))).toEqual([400])
  expect(statusesOf(await sendRaw(setup.port, 'GET /old HTTP/1.0\r\n\r\n'))).toEqual([200])
  expect(seen.map(({ url }) => url)).toEqual([`${ORIGIN}/old`])
})

test.each([
  ['/', '/'],
  ['/a/b?c=d&e', '/a/b?c=d&e'],
  ['http://evil.example/x?y', '/x?y'],
  ['HTTPS://user:pw@evil.example:8443/x', '/x'],
  ['http://evil.example', '/'],
  ['http://evil.example?x', '/?x'],
  ['//evil.example/x', '//evil.example/x'],
  ['/%zz?%', '/%zz?%'],
  ['/a?x=../..\\', '/a?x=../..\\'],
  ['/%2e%2ex', '/%2e%2ex'],
  ['/a?http://evil.example', '/a?http://evil.example'],
])('the target %s is %s on our own origin', async (target, path) => {
  expect(statusesOf(await get(target))).toEqual([200])
  expect(seen.map(({ url }) => url)).toEqual([`${ORIGIN}${path}`])
})

test.each([
  '*',
  'evil.example:443',
  'ftp://evil.example/',
  '/\\evil.example',
  '/a\\..\\b',
  '/..',
  '/a/../b',
  '/a/./b',
  '/a/%2e%2E/b',
  '/a/.%2e',
  '/caf\xc3\xa9',
  '/a?\xff',
  '/#x',
  '/a?b#c',
])('the target %s is refused, and no handler sees it', async (target) => {
  const text = await get(target)
  // What is not HTTP at all is refused by Node itself.
  expect(statusesOf(text)).toEqual([400])
  if (text.includes('problem+json')) expect(problemOf(text)).toBe('invalid_target')
  expect(seen).toEqual([])
})

test('a long target is served, one beyond Node’s limit is refused, and the next request is served', async () => {
  await get(`/${'a'.repeat(8_000)}`)
  expect(seen[0]?.url).toHaveLength(ORIGIN.length + 8_001)
  expect(statusesOf(await get(`/${'a'.repeat(100_000)}`))).toEqual([431])
  expect(statusesOf(await get('/'))).toEqual([200])
})

test('with any path, the handler sees the path that was sent, or no request', async () => {
  const byte = fc.integer({ min: 0x21, max: 0xff }).filter((code) => code !== 0x7f)
  const path = fc.array(byte, { maxLength: 40 }).map((codes) => String.fromCharCode(...codes))
  await fc.assert(
    fc.asyncProperty(path, async (text) => {
      seen = []
      const [status] = statusesOf(await get(`/${text}`))
      if (status === 400) return void expect(seen).toEqual([])
      expect(status).toBe(200)
      const { origin, pathname, search } = new URL(seen[0]?.url ?? '')
      expect(origin).toBe(ORIGIN)
      expect(bytesOf(`${pathname}${search}`)).toBe(bytesOf(`/${text}`.replace(/\?$/, '')))
    }),
    { numRuns: 300 },
  )
})

/** With each byte that is written with a percent sign as itself. */
const bytesOf = (path: string) =>
  path.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))

test('where a framework mounts us below a path, the handler sees the whole path', async () => {
  setup.before = (req, res) => {
    Object.assign(req, { originalUrl: req.url, url: '/rest' })
    return setup.adapter(req, res)
  }
  await get('/api/auth/rest?x')
  expect(seen.map(({ url }) => url)).toEqual([`${ORIGIN}/api/auth/rest?x`])
})

test.each(['TRACE', 'CONNECT', 'get', 'Post', 'FOO', 'G@T', 'PRI'])(
  'the method %s gets 4xx or a closed connection',
  async (method) => {
    const text = await sendRaw(
      setup.port,
      `${method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    )
    for (const status of statusesOf(text)) expect(status).toBeOneOf([400, 405])
    if (method === 'TRACE') expect(problemOf(text)).toBe('method_not_allowed')
    expect(seen).toEqual([])
  },
)

test.each(['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'M-SEARCH'])(
  'the method %s is passed on',
  async (method) => {
    const text = await sendRaw(
      setup.port,
      `${method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    )
    expect(statusesOf(text)).toEqual([200])
    expect(seen.map((req) => req.method)).toEqual([method])
  },
)

test('headers arrive as bytes, cookies as one header, lists with commas', async () => {
  await get(
    '/',
    'Host: a\r\nX-Name: caf\xe9\r\nCookie: a=1\r\nCookie: b=2\r\nAccept: x\r\nAccept: y\r\n',
  )
  const [req] = seen
  expect(req?.headers.get('x-name')).toBe('caf\xe9')
  expect(req?.headers.get('cookie')).toBe('a=1; b=2')
  expect(req?.headers.get('accept')).toBe('x, y')
})

test.each(['Authorization', 'Content-Type', 'Origin'])(
  'two headers %s are refused instead of one being dropped',
  async (name) => {
    const text = await get('/', `Host: a\r\n${name}: one\r\n${name}: two\r\n`)
    expect([statusesOf(text), problemOf(text)]).toEqual([[400], 'invalid_header'])
    expect(seen).toEqual([])
  },
)

test('a header that middleware has removed or set is as middleware left it', async () => {
  setup.before = (req, res) => {
    delete req.headers['x-secret']
    req.headers['x-forwarded-for'] = req.socket.remoteAddress
    return setup.adapter(req, res)
  }
  await get('/', 'Host: a\r\nX-Secret: 1\r\nX-Forwarded-For: 203.0.113.1\r\n')
  expect(seen[0]?.headers.get('x-secret')).toBeNull()
  expect(seen[0]?.headers.get('x-forwarded-for')).toBe('127.0.0.1')
})

test('with any headers there is an answer or a closed connection', async () => {
  const value = fc
    .array(fc.integer({ min: 0, max: 0xff }), { maxLength: 30 })
    .map((codes) => String.fromCharCode(...codes))
  const name = fc.constantFrom(
    'Cookie',
    'Origin',
    'Accept',
    'X-Any',
    'Expect',
    'Content-Length',
    'TE',
  )
  const header = fc.tuple(name, value).map(([key, text]) => `${key}: ${text}\r\n`)
  await fc.assert(
    fc.asyncProperty(fc.array(header, { maxLength: 4 }), async (headers) => {
      for (const status of statusesOf(await get('/', `Host: a\r\n${headers.join('')}`))) {
        expect(status).toBeLessThan(500)
      }
    }),
    { numRuns: 300 },
  )
})

test('a handler that throws gives a bare 500 and a line in the log', async () => {
  for (const thrown of [new Error('the password is hunter2'), 'hunter2', null, undefined]) {
    setup.logger.entries.length = 0
    setup.handle = () => {
      throw thrown
    }
    const text = await get('/')
    expect([statusesOf(text), problemOf(text)]).toEqual([[500], 'internal_error'])
    expect(text).not.toContain('hunter2')
    expect(setup.logger.entries).toMatchObject([{ level: 'error', message: 'a request failed' }])
  }
})

test('a refusal of ours keeps its status and is not logged', async () => {
  setup.handle = async () => {
    throw new TollgateError('too_fast', 429, 'Slow down.', { headers: { 'retry-after': '3' } })
  }
  const text = await get('/')
  expect([statusesOf(text), problemOf(text)]).toEqual([[429], 'too_fast'])
  expect(text).toMatch(/retry-after: 3/i)
  expect(setup.logger.entries).toEqual([])
})

test('the base URL comes from the option, the handler, or the environment', async () => {
  const answer = async (req: Request) => new Response(req.url)
  const ask = async (listener: ReturnType<typeof toNodeHandler>) => {
    setup.before = listener
    return /https?:\/\/\S+/.exec(await get('/x'))?.[0]
  }
  const named = Object.assign((req: Request) => answer(req), { baseURL: 'https://named.example' })
  expect(await ask(toNodeHandler(named))).toBe('https://named.example/x')
  expect(await ask(toNodeHandler({ handler: named }))).toBe('https://named.example/x')
  const object = { handler: answer, baseURL: 'https://object.example' }
  expect(await ask(toNodeHandler(object))).toBe('https://object.example/x')
  const baseURL = 'HTTPS://Option.Example:443/'
  expect(await ask(toNodeHandler(named, { baseURL }))).toBe('https://option.example/x')
  process.env.APP_URL = 'https://environment.example'
  try {
    expect(await ask(toNodeHandler(answer))).toBe('https://environment.example/x')
  } finally {
    delete process.env.APP_URL
  }
})

test('promise 8: without a base URL each request says what is missing', async () => {
  setup.before = toNodeHandler(async () => new Response(), { logger: setup.logger })
  const text = await get('/')
  expect([statusesOf(text), problemOf(text)]).toEqual([[500], 'invalid_environment'])
  expect(setup.logger.text).toContain('APP_URL is missing')
  expect(() => toNodeHandler(async () => new Response(), { baseURL: '/app' })).toThrow(
    expect.objectContaining({ code: 'invalid_options', status: 500 }),
  )
})
