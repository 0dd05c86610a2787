/** Promise 7, for any text and any value: nothing secret comes out, in linear time, within bounds, and nothing is thrown. */

import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { consoleLogger, createLogger, type Logger, mask, maskText } from '../index.ts'
import { maskAll } from '../mask.ts'
import { createTestLogger, growsLinearly, HOSTILE_TEXTS } from '../testing.ts'

afterEach(() => void vi.restoreAllMocks())

/** What must not come out, beside what it stands in. */
const SECRETS: [name: string, secret: string, text: string][] = [
  ['a Stripe key', '51Habcdefghijkl', 'sk_live_51Habcdefghijkl0000'],
  ['a webhook secret', 'qrstuvwxyz0123', 'whsec_qrstuvwxyz01230000'],
  ['a token', 'eyJzdWIiOiIxIn0', 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl'],
  ['a token after a name', 'eyJzdWIiOiIxIn0', 'session-eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln'],
  ['an encrypted token', 'Zm9vYmFyYmF6', 'eyJhbGciOiJkaXIifQ..aXYxMjM0.Zm9vYmFyYmF6.dGFn'],
  ['a bearer token', 'Zm9vYmFyYmF6cXV4', 'Bearer Zm9vYmFyYmF6cXV4+/=='],
  ['a basic password', 'dXNlcjpwYXNzd29yZA', 'Basic   dXNlcjpwYXNzd29yZA=='],
  [
    'a password of a connection',
    'hunter2,hunter3',
    'postgresql://app:hunter2,hunter3@db.example:5432/app',
  ],
  ['a password with an @', 'hunter2@hunter3', 'redis://:hunter2@hunter3@cache.example:6379'],
  ['a token of a link', 'abcdefghijklmnop', 'https://a.example/reset?token=abcdefghijklmnop&x=1'],
  ['a code of a return', 'qponmlkjihgfedcb', '/callback?x=1&code=qponmlkjihgfedcb'],
  ['a token after a #', 'abcdefghijklmnop', 'https://a.example/#access_token=abcdefghijklmnop'],
  ['a token of a cookie', 'abcdefghijklmnop', '__Host-tollgate.session_token=abcdefghijklmnop.sig'],
  ['a password of a form', 'correct-horse', 'name=ada&password=correct-horse'],
  ['an address', 'ada.lovelace', 'ada.lovelace+tag@mail.example.co.uk'],
  ['an address in a URL', 'ada.lovelace', '?to=ada.lovelace%40example.com'],
  ['an international address', 'adä.lovelace', 'adä.lovelace@bücher.example'],
  ['an address of another script', 'Юлия.Иванова', 'Юлия.Иванова@почта.рф'],
  ['an address at a number', 'ada.lovelace', 'ada.lovelace@[192.0.2.1]'],
  ['two addresses in one', 'ada.lovelace', 'ada.lovelace@a.example@b.example'],
  ['addresses after each other', 'grace.hopper', 'ada@a.example+grace.hopper@b.example'],
]

describe.each(SECRETS)('%s', (_, secret, text) => {
  test.each([
    ['alone', text],
    ['in a sentence', `The call with ${text} failed.`],
    ['in JSON', JSON.stringify({ a: text, b: [text] })],
    ['twice', `${text} ${text}`],
  ])('%s is masked', (_, given) => {
    expect(maskText(given)).not.toContain(secret)
  })

  // Filled with words, with one word that is longer than the text may be, and with JSON.
  test.each([
    ['words', 'lorem ipsum '],
    ['one word', 'x'],
    ['a word of dots', 'x.'],
    ['JSON', '{"a":1},'],
    ['a list', 'a,'],
    ['a path', 'a/'],
    ['lines', 'a\n'],
  ])('leaves no half of a secret where a text of %s is cut', (_, filler) => {
    const filled = filler.repeat(Math.ceil(9_000 / filler.length))
    // No part of four letters of what is secret alone is in the filler.
    const parts = Array.from({ length: secret.length - 3 }, (_, at) => secret.slice(at, at + 4))
    for (let shift = 0; shift <= text.length; shift += 1) {
      const before = filled.slice(0, 8_192 - shift)
      for (const gap of [' ', '"', ',', '']) {
        // Without a gap the filler belongs to the first word of the text, and may make another of it.
        if (gap === '' && !/@|%40/.test(text)) continue
        const given = `${before.slice(0, before.length - gap.length)}${gap}${text} and more`
        const masked = maskText(given)
        const shown = parts.find((part) => masked.includes(part))
        expect([shift, gap, shown]).toEqual([shift, gap, undefined])
      }
    }
  })
})

test('the beginning of a long text is kept, with the number of characters that are left out', () => {
  const text = 'word '.repeat(4_000)
  const masked = maskText(text)
  expect(masked).toMatch(/^(word )+\[… \d+ more characters\]$/)
  const [, rest] = /(\d+) more/.exec(masked) ?? []
  expect(masked.replace(/\[.*/, '').length + Number(rest)).toBe(text.length)
  expect(maskText('x'.repeat(64_000))).toBe('[… 64000 more characters]')
  expect(maskText('x'.repeat(8_192))).toBe('x'.repeat(8_192))
})

test.each([
  'sub_1Pabc cus_9 evt_1 paid 2900 usd: active → past_due, reset_password ok',
  'GET https://api.example.com:8443/v1/customers?limit=10 200 in 12 ms',
  'node_modules/.pnpm/pg@8.23.1/node_modules/pg/lib/client.js:694:17',
  '@repo/auth: 3 of 4 @ 12:30',
  'a@ b @c @@ %40 x%40y',
])('%j stays as it is', (text) => {
  expect(maskText(text)).toBe(text)
})

test('no text takes longer than linear time, even if it is not cut', () => {
  const masking = (text: string) => mask({ [text]: text, list: [text] })
  const slow = HOSTILE_TEXTS.filter(
    ([, textOf]) => !growsLinearly(maskAll, textOf) || !growsLinearly(masking, textOf),
  )
  expect(slow.map(([name]) => name)).toEqual([])
})

test('the measurement itself detects a pattern of quadratic time', () => {
  const quadratic = (text: string) => text.replace(/[^\s@]+@/g, '')
  expect(growsLinearly(quadratic, (length) => 'a'.repeat(length))).toBe(false)
  expect(
    growsLinearly(
      (text) => text.replace(/a/g, 'b'),
      (length) => 'a'.repeat(length),
    ),
  ).toBe(true)
})

const SECRET = 'sk_live_51Habcdefghijkl0000'
const fail = () => {
  throw new Error(SECRET)
}
/** What `grow` makes of `start` in so many steps. */
function grown(start: unknown, steps: number, grow: (value: unknown, step: number) => unknown) {
  let value = start
  for (let step = 0; step < steps; step += 1) value = grow(value, step)
  return value
}
const loopOf = <Loop extends object>(loop: Loop, close: (loop: Loop) => void): Loop => {
  close(loop)
  return loop
}
function revoked() {
  const { proxy, revoke } = Proxy.revocable([], {})
  revoke()
  return proxy
}
const many = <Item>(count: number, make: (at: number) => Item): Item[] =>
  Array.from({ length: count }, (_, at) => make(at))

/** What no literal makes. Made in the test, because the library looks at what it hands out. */
const ODD: (() => unknown)[] = [
  () => Object.defineProperty({}, 'thrown', { enumerable: true, get: fail }),
  () => Object.defineProperty(new Error('x'), 'message', { get: fail }),
  ...(['get', 'has', 'ownKeys', 'getPrototypeOf', 'getOwnPropertyDescriptor'] as const).map(
    (trap) => () => new Proxy({ a: 1 }, { [trap]: fail }),
  ),
  revoked,
  () => new Date(Number.NaN),
  () => Object.assign(new Date(0), { toISOString: fail, toJSON: () => SECRET }),
  () => ({ toJSON: fail }),
  () => ({ toJSON: SECRET, toString: null, valueOf: null }),
  () => Object.assign(new Error(), { message: { a: SECRET }, name: Symbol(SECRET), stack: 7 }),
  () => loopOf(new Error(SECRET), (error) => Object.assign(error, { cause: { error } })),
  () => loopOf(new Error('a'), (a) => Object.assign(a, { cause: new Error('b', { cause: a }) })),
  () => new AggregateError([new Error(SECRET), { mail: 'ada@example.com' }], 'several'),
  () => loopOf([] as unknown[], (loop) => loop.push(loop, { loop })),
  () => loopOf({}, (loop) => Object.assign(loop, { ...many(150, () => loop) })),
  () => grown(SECRET, 50_000, (inner, step) => (step % 2 ? [inner] : { inner })),
  () => grown('x'.repeat(100), 8, (inner) => many(60, () => inner)),
  () => Array(1e9),
  () => many(5_000, (at) => `${at} ${SECRET}`),
  () => Object.fromEntries(many(5_000, (at) => [at, 'x '.repeat(20_000)])),
  () =>
    new Map<unknown, unknown>([
      [SECRET, 1],
      [{}, SECRET],
      ['password', 'hunter2'],
    ]),
  () => new Set([SECRET, new Set([SECRET])]),
  () => Symbol(SECRET),
  () => () => SECRET,
  () => Buffer.from(SECRET),
  () => Object(SECRET),
  () => Object(1n),
  () => new URL(`https://a.example/?token=${SECRET}`),
  () => ({ [SECRET]: 1, 'ada@example.com': 2 }),
  () => JSON.parse(`{"__proto__": {"a": "${SECRET}"}, "constructor": "${SECRET}"}`),
  () => globalThis,
]

const anything = fc.anything({
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withObjectString: true,
  withSet: true,
  withSparseArray: true,
  withTypedArray: true,
  maxDepth: 8,
})
const values = fc.oneof(
  fc.constantFrom(...ODD),
  anything.map((value) => () => value),
)

test('whatever is logged, nothing is thrown, the line is bounded and JSON, and no secret is in it', () => {
  fc.assert(
    fc.property(values, values, fc.string(), (makeOne, makeOther, message) => {
      const [one, other] = [makeOne(), makeOther()]
      const sink = createTestLogger()
      const logger = createLogger(sink)
      logger.info(one as object, message)
      logger.warn({ one, other }, other as string)
      logger.error({ list: [one, { other }] })
      expect(sink.entries).toHaveLength(3)
      for (const entry of sink.entries) {
        const line = JSON.stringify(entry)
        expect(line.length).toBeLessThan(600_000)
        expect(line).not.toMatch(/Habcdefgh|hunter2|ada@example/)
        expect(JSON.stringify(JSON.parse(line))).toBe(line)
      }
    }),
    { numRuns: 400 },
  )
})

test.each(['info', 'warn', 'error', 'debug'] as const)(
  '%s survives a sink that fails, and the failure is reported',
  async (level) => {
    const written: string[] = []
    vi.spyOn(process.stderr, 'write').mockImplementation((line) => {
      written.push(String(line))
      return true
    })
    const failing = (fail: () => unknown) =>
      createLogger({ debug: fail, info: fail, warn: fail, error: fail } as Logger)
    failing(() => {
      throw new Error(`no disk for ${SECRET}`)
    })[level]({})
    failing(() => Promise.reject(new Error('no network')))[level]({})
    createLogger({} as Logger)[level]({})
    await expect.poll(() => written.length).toBe(3)
    expect(written.join('')).toMatch(/no disk.*is not a function.*no network/s)
    expect(written.join('')).not.toContain('Habcdefgh')
  },
)

test('the console also writes values that JSON cannot represent', () => {
  const written: string[] = []
  vi.spyOn(process.stderr, 'write').mockImplementation((line) => {
    written.push(String(line))
    return true
  })
  const loop: Record<string, unknown> = { big: 1n }
  loop.self = loop
  consoleLogger.warn(loop, 'odd')
  expect(JSON.parse(written.join(''))).toMatchObject({ level: 'warn', msg: 'odd', big: '1' })
})

test('dates, addresses, codes and ordinary fields stay readable', () => {
  class Refusal extends Error {
    override name = 'Refusal'
    code = 'no'
  }
  const map = new Map<unknown, unknown>([
    ['plan', 'PRO'],
    ['apiKey', 'k'],
    [7, new Set([1])],
  ])
  const given = {
    at: new Date('2026-01-01T00:00:00Z'),
    never: new Date(Number.NaN),
    url: new URL('https://a.example/x'),
    map,
    bytes: new Uint8Array(3),
    work: () => {},
    missing: undefined,
    none: null,
    error: new Refusal('not now', { cause: 'later' }),
    tokens: ['a'],
    passwordHash: 'b',
    api_key: 'c',
    many: Array.from({ length: 102 }, (_, n) => n),
  }
  expect(mask(given)).toMatchObject({
    at: '2026-01-01T00:00:00.000Z',
    never: 'Invalid Date',
    url: 'https://a.example/x',
    map: { plan: 'PRO', apiKey: '***', 7: [1] },
    bytes: '[3 bytes]',
    work: '[function]',
    none: null,
    error: { name: 'Refusal', code: 'no', message: 'not now', cause: 'later' },
    tokens: '***',
    passwordHash: '***',
    api_key: '***',
  })
  expect((mask(given) as typeof given).many.slice(99)).toEqual([99, '[2 more]'])
})

describe('card numbers', () => {
  const CARDS = ['4242424242424242', '378282246310005', '5555555555554444', '6011111111111117']
  const written = CARDS.flatMap((card) => [
    card,
    card.replace(/(\d{4})(?=\d)/g, '$1 '),
    card.replace(/(\d{4})(?=\d)/g, '$1-'),
  ])

  test.each(written)('%s is masked, also beside other numbers', (card) => {
    for (const text of [card, `card ${card}, declined`, `12 ${card} 34`, `"${card}"`]) {
      const masked = maskText(text)
      expect(masked).toContain('[card]')
      expect(masked).not.toContain(card.slice(-4))
    }
  })

  test.each([
    ['a number with a wrong check digit', '4242424242424241'],
    ['a time in milliseconds', '1764500000000'],
    ['a date', '2026-11-30 02:33:12'],
    ['an amount', '999999999999'],
    ['an id', 'pi_4242424242424242'],
    ['a UUID', '01a22a2d-431a-719d-a24d-8afaf3e2f6a3'],
    ['a number that is too long', '42424242424242424242424242'],
  ])('%s is not', (_, text) => expect(maskText(text)).toBe(text))

  test('a card number that is not a text is masked, too, and fields by their names', () => {
    const card = { number: '4000-wrong', cvc: 123, cvv: '123', card_number: 5, last4: '4242' }
    expect(mask({ paid: 4242424242424242, at: 1764500000000, card })).toEqual({
      paid: '[card]',
      at: 1764500000000,
      card: { number: '***', cvc: '***', cvv: '***', card_number: '***', last4: '4242' },
    })
  })

  test.each([
    ['digits', (length: number) => '4'.repeat(length)],
    ['digits and a letter', (length: number) => `${'4'.repeat(length)}a`],
    ['groups', (length: number) => '4 '.repeat(length / 2)],
    ['groups and a letter', (length: number) => `${'4-'.repeat(length / 2)}a`],
    ['cards', (length: number) => '4242424242424242 '.repeat(length / 17)],
  ])('%s take no longer than their length', (_, textOf) => {
    expect(growsLinearly(maskAll, textOf)).toBe(true)
  })
})
