/** Bodies as bytes: whole, half, never, malformed, read by others before us. */

import type { IncomingMessage } from 'node:http'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { wasParsed } from '../index.ts'
import { beginRaw, sendRaw, statusesOf } from '../testing.ts'
import { setUpServer } from './node-server.ts'

const setup = setUpServer()
beforeEach(() => {
  setup.logger.entries.length = 0
  setup.before = setup.adapter
  setup.handle = async (req) => Response.json({ text: await req.text() })
})

const HEAD = 'POST /x HTTP/1.1\r\nHost: a\r\n'
const CLOSE = 'Connection: close\r\n'
const codeOf = (text: string) => /"code":"(\w+)"/.exec(text)?.[1]
const textsOf = (text: string) => [...text.matchAll(/"text":"(\w*)"/g)].map(([, body]) => body)

/** Handles as the test says, and keeps the request and what reading its body came to. */
function watch(handle: (req: Request) => Promise<unknown> = (req) => req.text()) {
  const kept = { signal: undefined as AbortSignal | undefined, outcome: undefined as unknown }
  setup.handle = async (req) => {
    if (req.method === 'GET') return Response.json({ text: '' })
    kept.signal = req.signal
    kept.outcome = await handle(req).catch((error: unknown) => error)
    return Response.json({})
  }
  return kept
}

const served = async () =>
  expect(
    statusesOf(await sendRaw(setup.port, `GET / HTTP/1.1\r\nHost: a\r\n${CLOSE}\r\n`)),
  ).toEqual([200])

test.each([
  ['of a declared length', 'Content-Length: 5\r\n\r\nhello'],
  [
    'in chunks',
    'Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: 1\r\n\r\n',
  ],
])('a body %s arrives', async (_, rest) => {
  const text = await sendRaw(setup.port, `${HEAD}${CLOSE}${rest}`)
  expect([statusesOf(text), textsOf(text)]).toEqual([[200], ['hello']])
})

test.each([
  ['of no bytes', 'Content-Length: 0\r\n\r\n'],
  ['that is not declared', '\r\n'],
  ['of no chunks', 'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
])('a body %s is empty', async (_, rest) => {
  const text = await sendRaw(setup.port, `${HEAD}${CLOSE}${rest}`)
  expect([statusesOf(text), textsOf(text)]).toEqual([[200], ['']])
})

test.each([
  ['with two lengths', 'Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!'],
  ['with length and chunks', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['with a length that is a word', 'Content-Length: five\r\n\r\nhello'],
  ['with a length below nothing', 'Content-Length: -1\r\n\r\n'],
  ['with a length beyond counting', `Content-Length: ${'9'.repeat(30)}\r\n\r\nhello`],
  ['with an encoding nobody knows', 'Transfer-Encoding: gzip\r\n\r\nhello'],
])('a body %s is refused, and the next request is served', async (_, rest) => {
  for (const status of statusesOf(await sendRaw(setup.port, `${HEAD}${CLOSE}${rest}`))) {
    expect(status).toBe(400)
  }
  await served()
})

test('a bad chunk ends the connection, and reading the body fails', async () => {
  const kept = watch()
  const text = await sendRaw(
    setup.port,
    `${HEAD}Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\nzz\r\n`,
  )
  expect(statusesOf(text)).toEqual([400])
  await vi.waitFor(() =>
    expect(kept.outcome).toMatchObject({ code: 'request_aborted', status: 400 }),
  )
  expect(kept.signal?.aborted).toBe(true)
  await served()
})

test.each([
  ['half of its body', 'Content-Length: 10\r\n\r\nhello'],
  ['half of a chunk', 'Transfer-Encoding: chunked\r\n\r\na\r\nhello'],
  ['nothing of its body', 'Content-Length: 10\r\n\r\n'],
])(
  'the handler learns that the caller disconnected after %s, and nothing is logged',
  async (_, rest) => {
    const kept = watch()
    const socket = await beginRaw(setup.port, `${HEAD}${rest}`)
    await vi.waitFor(() => expect(kept.signal).toBeDefined())
    await served()
    expect(kept).toMatchObject({ outcome: undefined, signal: { aborted: false } })
    socket.destroy()
    await vi.waitFor(() => expect(kept.outcome).toMatchObject({ code: 'request_aborted' }))
    expect(kept.signal?.aborted).toBe(true)
    expect(setup.logger.entries).toEqual([])
  },
)

test('a handler that does not catch the broken body sends no answer, and nothing is logged', async () => {
  const handled = vi.fn()
  setup.handle = async (req) => new Response(await req.text().finally(handled))
  const socket = await beginRaw(setup.port, `${HEAD}Content-Length: 10\r\n\r\nhello`)
  socket.destroy()
  await vi.waitFor(() => expect(handled).toHaveBeenCalled())
  await served()
  expect(setup.logger.entries).toEqual([])
})

test('bytes beyond the declared length are read as another request, and refused', async () => {
  const text = await sendRaw(setup.port, `${HEAD}Content-Length: 5\r\n\r\nhello, and more\r\n\r\n`)
  // Node may close the connection over the second before the first is answered.
  expect(statusesOf(text).at(-1)).toBe(400)
  for (const body of textsOf(text)) expect(body).toBe('hello')
  await served()
})

test('a header on two lines is read as one header or refused', async () => {
  for (const status of statusesOf(
    await sendRaw(setup.port, `${HEAD}${CLOSE}X-Long: a\r\n b\r\n\tc\r\nContent-Length: 0\r\n\r\n`),
  )) {
    expect(status).toBeOneOf([200, 400])
  }
  await served()
})

test('`Expect: 100-continue` is answered with 100, and another expectation is refused', async () => {
  const asked = `${HEAD}${CLOSE}Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello`
  const text = await sendRaw(setup.port, asked)
  expect([statusesOf(text), textsOf(text)]).toEqual([[100, 200], ['hello']])
  const otherwise = `${HEAD}${CLOSE}Expect: tea\r\nContent-Length: 5\r\n\r\nhello`
  expect(statusesOf(await sendRaw(setup.port, otherwise))).toEqual([417])
})

describe('a connection stays open', () => {
  const BIG = 'x'.repeat(1_000_000)
  const next = `GET /next HTTP/1.1\r\nHost: a\r\n${CLOSE}\r\n`

  test.each([
    ['was not read', async () => {}],
    ['was begun', async (req: Request) => req.body?.getReader().read()],
    ['was given up', async (req: Request) => req.body?.cancel()],
    [
      'was begun and given up',
      async (req: Request) => {
        const reader = req.body?.getReader()
        await reader?.read()
        await reader?.cancel()
      },
    ],
    ['is still waited for', async (req: Request) => void req.text().catch(() => {})],
    [
      'was copied',
      async (req: Request) =>
        void req
          .clone()
          .text()
          .catch(() => {}),
    ],
  ])('after an answer to a body that %s', async (_, handle) => {
    watch(handle as (req: Request) => Promise<unknown>)
    const text = await sendRaw(
      setup.port,
      `${HEAD}Content-Length: ${BIG.length}\r\n\r\n${BIG}${next}`,
    )
    expect(statusesOf(text)).toEqual([200, 200])
  })

  test('with pipelined requests, answered in their order', async () => {
    const posts = ['one', 'two', 'six'].map((body) => `${HEAD}Content-Length: 3\r\n\r\n${body}`)
    const text = await sendRaw(setup.port, `${posts.join('')}${next}`)
    expect(statusesOf(text)).toEqual([200, 200, 200, 200])
    expect(textsOf(text)).toEqual(['one', 'two', 'six', ''])
  })

  test('after a GET, whose body is dropped', async () => {
    const text = await sendRaw(
      setup.port,
      `GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello${next}`,
    )
    expect([statusesOf(text), textsOf(text)]).toEqual([
      [200, 200],
      ['', ''],
    ])
  })
})

test('a body is read no faster than the handler asks', async () => {
  let read: (() => Promise<unknown>) | undefined
  let incoming: IncomingMessage | undefined
  let finish = () => {}
  setup.before = (req, res) => {
    incoming = req
    return setup.adapter(req, res)
  }
  setup.handle = async (req) => {
    const reader = req.body?.getReader()
    read = async () => reader?.read()
    await new Promise<void>((done) => {
      finish = done
    })
    return new Response()
  }
  const size = 8 * 1024 * 1024
  const socket = await beginRaw(setup.port, `${HEAD}Content-Length: ${size}\r\n\r\n`)
  socket.write(Buffer.alloc(size))
  await vi.waitFor(() => expect(read).toBeDefined())
  await read?.()
  expect(incoming?.isPaused()).toBe(true)
  expect(incoming?.readableLength).toBeLessThan(1024 * 1024)
  finish()
  socket.destroy()
})

describe('a body that was read before our handler', () => {
  const post = (type: string, body: string) =>
    sendRaw(
      setup.port,
      `${HEAD}${CLOSE}Content-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )

  /** Reads the body as a parser does and leaves behind what `leave` makes of it. */
  function parsing(leave: (bytes: Buffer) => object) {
    setup.before = async (req, res) => {
      const parts: Buffer[] = []
      for await (const part of req) parts.push(part)
      Object.assign(req, leave(Buffer.concat(parts)))
      return setup.adapter(req, res)
    }
    const kept = { text: '', length: '' as string | null, isMarked: false }
    setup.handle = async (req) => {
      kept.isMarked = wasParsed(req)
      kept.length = req.headers.get('content-length')
      kept.text = await req.text()
      return Response.json({})
    }
    return kept
  }

  const JSON_TEXT = '{ "a": [1, null, "é"] }'

  test.each([
    ['as bytes', (bytes: Buffer) => ({ body: bytes })],
    ['as raw bytes beside the parsed', (rawBody: Buffer) => ({ rawBody, body: { other: true } })],
  ])('and kept %s is the same, byte for byte', async (_, leave) => {
    const kept = parsing(leave)
    expect(statusesOf(await post('application/json', JSON_TEXT))).toEqual([200])
    expect(kept).toMatchObject({
      text: Buffer.from(JSON_TEXT, 'latin1').toString(),
      isMarked: false,
    })
    expect(kept.length).toBe(String(JSON_TEXT.length))
  })

  test.each([
    ['JSON', 'application/json; charset=utf-8', '{ "a": [1, "b"] }', JSON.parse, '{"a":[1,"b"]}'],
    ['a JSON of its own type', 'application/ld+json', '[ 1 ]', JSON.parse, '[1]'],
    ['JSON that is false', 'application/json', ' false', JSON.parse, 'false'],
    ['a text', 'text/plain', 'hello', String, 'hello'],
    [
      'a form',
      'application/x-www-form-urlencoded',
      'a=b+c&d=%26',
      (text: string) => Object.fromEntries(new URLSearchParams(text)),
      'a=b+c&d=%26',
    ],
    [
      'a form with two of a name',
      'application/x-www-form-urlencoded',
      'a=b&a=c',
      () => ({ a: ['b', 'c'] }),
      'a=b&a=c',
    ],
  ])('and parsed as %s is serialized again, and marked', async (_, type, body, parse, text) => {
    const kept = parsing((bytes) => ({ body: parse(bytes.toString()) }))
    expect(statusesOf(await post(type, body))).toEqual([200])
    expect(kept).toEqual({ text, length: String(text.length), isMarked: true })
  })

  test.each([
    ['a form with nested fields', 'application/x-www-form-urlencoded', { a: { b: 'c' } }],
    ['a form that is a number', 'application/x-www-form-urlencoded', 7],
    ['several parts', 'multipart/form-data; boundary=x', { a: 'b' }],
    ['something of no type', 'x', { a: 'b' }],
    ['a number JSON has no word for', 'application/json', { a: 1n }],
  ])('and parsed as %s is refused with what to do', async (_, type, body) => {
    const kept = parsing(() => ({ body }))
    const text = await post(type, 'a')
    expect([statusesOf(text), codeOf(text)]).toEqual([[400], 'body_not_rebuildable'])
    expect(text).toContain('Mount toNodeHandler before body parsers.')
    expect(kept.length).toBe('')
  })

  test('and not kept at all is an error of the host, and logged', async () => {
    parsing(() => ({}))
    const text = await post('application/json', '{}')
    expect([statusesOf(text), codeOf(text)]).toEqual([[500], 'raw_body_required'])
    expect(setup.logger.text).toContain('Mount toNodeHandler before body parsers.')
  })

  test('in part is refused as well', async () => {
    setup.before = (req, res) => {
      req.once('data', () => {
        req.pause()
        void setup.adapter(req, res)
      })
    }
    const text = await sendRaw(
      setup.port,
      `${HEAD}${CLOSE}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n`,
    )
    expect([statusesOf(text), codeOf(text)]).toEqual([[500], 'raw_body_required'])
  })

  test('and left alone by a parser of other types is read by us', async () => {
    setup.before = (req, res) => {
      Object.assign(req, { body: {} })
      return setup.adapter(req, res)
    }
    expect(textsOf(await post('text/plain', 'hello'))).toEqual(['hello'])
  })
})
