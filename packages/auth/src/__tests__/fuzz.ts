/**
 * Requests at random, each made of a seed and its number alone, so that any of them can be made again: endpoints ×
 * fields × values × cookies × headers × content types.
 */

import { TEST_ORIGIN } from '../testing.ts'
import { type FieldPath, nested, type Shape } from './shapes.ts'

/** What a request may be made of, beside nonsense. */
export interface Material {
  shapes: readonly Shape[]
  /** `Cookie` headers by whose they are. */
  cookies: Record<string, string>
  /** Values that lead somewhere, by the name of the field that takes them. */
  known: Record<string, readonly unknown[]>
}

export interface Made {
  /** What it is, for the report of a failure. */
  title: string
  request: Request
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function createRandom(seed: number) {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(next() * limit)
  return {
    chance: (share: number) => next() < share,
    below,
    pick: <T>(from: readonly T[]): T => from[below(from.length)] as T,
  }
}
type Random = ReturnType<typeof createRandom>

const TEXTS = [
  ...['', ' ', '0', '-1', 'null', 'undefined', 'true', '[]', '{}', '[object Object]', 'NaN'],
  ...[
    '\0',
    'a\0b',
    '\ud800',
    '\udc00a',
    '\ufeff',
    '\u202eevil',
    'e\u0301\u0301\u0301',
    '👩‍👩‍👧',
    'ß',
    'İ',
  ],
  ...["'", '"', "' OR 1=1 --", '$where', '{"$ne":""}', '%', '%00', '%2e%2e%2f', '../../etc/passwd'],
  ...[
    '<script>alert(1)</script>',
    `$${'{7*7}'}`,
    '{{7*7}}',
    '\r\nSet-Cookie: a=b',
    'a\nb',
    '\\',
    '\\u0000',
  ],
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length', 'prototype'],
  ...[
    '//evil.example',
    'https://evil.example',
    'javascript:alert(1)',
    '/\\evil.example',
    '/a?b#c',
    'http://[',
  ],
  ...['data:text/html,x', 'http://a:b@c/', 'https://x.example/%zz', ':', 'a:b', '?', '#', '/', '.'],
  ...[
    'ada@example.com',
    'ada@münchen.example',
    'a@b',
    '@',
    'a@b@c.de',
    'ADMIN',
    'OWNER',
    'acme',
    'credential',
  ],
  ...[
    '9'.repeat(400),
    'a'.repeat(300),
    'a.'.repeat(2_000),
    '('.repeat(3_000),
    'a'.repeat(60_000),
    '🙂'.repeat(4_000),
  ],
  ...[
    '1e400',
    '0x10',
    '1970-01-01',
    '-0',
    '9007199254740993',
    'eyJhbGciOiJub25lIn0.e30.',
    'a.b.c',
    'a=b&c=d',
  ],
]
const OTHERS: unknown[] = [
  ...[0, -1, 1.5, 1e308, -1e308, 2 ** 53, true, false, null, [], {}, [null], [[]], [{}], { a: 1 }],
  { __proto__: null, toString: 'x' },
  { length: 1e9 },
  { id: { in: [] } },
  { $gt: '' },
  ['a', 'b'],
  Array(300).fill('a'),
  JSON.parse('{"__proto__":{"role":"ADMIN"}}'),
  JSON.parse(`${'['.repeat(30)}${']'.repeat(30)}`),
]
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'FOO']
const TYPES = [
  ...[
    'application/json; charset=utf-8',
    'application/json;charset=utf-16',
    'text/plain',
    'APPLICATION/JSON',
  ],
  ...[
    'multipart/form-data; boundary=x',
    'application/xml',
    'application/x-www-form-urlencoded;a=b',
    ';',
    'a',
  ],
  ...[
    'application/json, text/plain',
    'application/octet-stream',
    'application/vnd.api+json',
    'image/png',
  ],
]
const RAW = [
  ...[
    '',
    '{',
    '[]',
    'null',
    '"a"',
    '7',
    '{"a":1}{"b":2}',
    'a=b&a=c',
    '&&&',
    '=',
    '%zz=%',
    '\ufeff{}',
    '\0',
  ],
  ...[
    '{"email":"a@b.de","email":["x"]}',
    '--x\r\n\r\n--x--',
    '<a/>',
    '['.repeat(20_000),
    'a'.repeat(70_000),
  ],
]
/** Headers that are read somewhere, or are by other servers. */
const HEADERS: Record<string, readonly string[]> = {
  'user-agent': [
    '',
    'a'.repeat(2_000),
    'Mozilla/5.0 (X11; Linux x86_64)',
    '()'.repeat(500),
    '\u00ff',
  ],
  'x-forwarded-for': [
    '',
    '127.0.0.1',
    '::1',
    '1.2.3.4, 5.6.7.8',
    ','.repeat(500),
    '1.2.3.4:80',
    '[::1]:80',
    'x',
  ],
  'x-forwarded-host': ['evil.example', '['],
  'x-forwarded-proto': ['https', 'x'],
  host: ['evil.example', 'localhost:3000', '['],
  authorization: [
    'Bearer x',
    'Bearer ',
    'Basic ',
    'Basic %',
    'Basic YTpi',
    `Basic ${'a'.repeat(3_000)}`,
    'DPoP x',
    '',
  ],
  accept: ['text/html', 'application/json', '', '*/*', 'a'.repeat(3_000)],
  'accept-language': ['de', 'x'.repeat(3_000)],
  'sec-fetch-site': ['same-origin', 'cross-site', 'none', 'x'],
  'sec-fetch-mode': ['navigate', 'cors', 'x'],
  'sec-fetch-dest': ['document', 'empty'],
  referer: ['https://evil.example/', '', `${TEST_ORIGIN}/a`, 'x'],
  'content-length': ['-1', 'x', '1e9', '0'],
  'content-encoding': ['gzip', 'identity', 'br'],
  'transfer-encoding': ['chunked'],
  dpop: ['x', 'a.b.c', 'eyJhbGciOiJub25lIn0.e30.'],
  'if-none-match': ['*'],
  origin: ['null', 'https://evil.example', '', 'x', `${TEST_ORIGIN}/`],
}

/** Hashing takes a quarter of a second, so that few of these get as far. */
const HASHES =
  /^\/(sign-up\/email|sign-in\/email|change-password|verify-password|reset-password|two-factor)/

export function makeRequest(seed: number, number: number, material: Material): Made | null {
  const random = createRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b))
  const shape = random.pick(material.shapes)
  const method = random.chance(0.95) ? shape.method : random.pick(METHODS)
  const url = `${TEST_ORIGIN}/api/auth${pathOf(random, shape)}${queryOf(random, shape, material)}`
  const headers: [string, string][] = []
  if (random.chance(0.92)) headers.push(['origin', TEST_ORIGIN])
  const cookie = cookieOf(random, material)
  if (cookie) headers.push(['cookie', cookie])
  while (random.chance(0.25)) {
    const name = random.pick(Object.keys(HEADERS))
    headers.push([name, random.pick(HEADERS[name] as string[])])
  }
  const body = /^(GET|HEAD)$/.test(method) ? null : bodyOf(random, shape, material)
  if (body?.type) headers.push(['content-type', body.type])
  const title = `${method} ${url.slice(TEST_ORIGIN.length, 200)} ${body?.type ?? ''} ${body?.text.slice(0, 300) ?? ''}`
  try {
    const init = { method, headers: new Headers(headers), ...(body ? { body: body.text } : {}) }
    return { title, request: new Request(url, init) }
  } catch {
    // No server would get it either.
    return null
  }
}

function pathOf(random: Random, { path }: Shape): string {
  if (random.chance(0.95)) return path
  const odd = random.pick(TEXTS).slice(0, 2_000)
  return random.pick([
    `${path}/`,
    `/${path}`,
    path.toUpperCase(),
    `${path}/${encodeURIComponent(odd.replace(/\p{Cs}/gu, ''))}`,
    path.replace(/\/[^/]*$/, `/${odd}`),
    `/..${path}`,
    `/%2e%2e${path}`,
    '/',
    '',
    `/${odd}`,
    '/.well-known/openid-configuration',
  ])
}

function chosenFor(random: Random, shape: Shape, field: FieldPath, { known }: Material): unknown {
  const name = field.at(-1) ?? ''
  if (/password/i.test(name) && HASHES.test(shape.path) && random.chance(0.8))
    return random.pick(OTHERS)
  const values = known[name]
  if (values && random.chance(0.6)) return random.pick(values)
  if (random.chance(0.35)) return shape.valid(field)
  return random.chance(0.7) ? random.pick(TEXTS) : random.pick(OTHERS)
}

const asText = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value))

function queryOf(random: Random, shape: Shape, material: Material): string {
  if (!random.chance(shape.method === 'GET' ? 0.85 : 0.15)) return ''
  const pairs = new URLSearchParams()
  for (const field of shape.query) {
    if (!random.chance(0.75)) continue
    const value = asText(chosenFor(random, shape, field, material)) ?? ''
    pairs.append(field.join('.'), value.slice(0, 6_000))
    if (random.chance(0.02)) pairs.append(field.join('.'), random.pick(TEXTS).slice(0, 100))
  }
  if (random.chance(0.1))
    pairs.append(random.pick(TEXTS).slice(0, 200), random.pick(TEXTS).slice(0, 200))
  return random.chance(0.05) ? `?${random.pick(TEXTS).slice(0, 3_000)}` : `?${pairs}`
}

function bodyOf(
  random: Random,
  shape: Shape,
  material: Material,
): { text: string; type: string } | null {
  if (random.chance(0.04)) return null
  if (random.chance(0.05))
    return { text: random.pick(RAW), type: random.pick([...TYPES, ...shape.types]) }
  const fields: Record<string, unknown> = {}
  for (const field of shape.body) {
    if (!random.chance(0.8)) continue
    const value = nested(field, chosenFor(random, shape, field, material)) as Record<
      string,
      unknown
    >
    const [first = ''] = field
    const present = fields[first]
    const isObject = typeof present === 'object' && present !== null && !Array.isArray(present)
    fields[first] =
      field.length > 1 && isObject ? { ...present, ...(value[first] as object) } : value[first]
  }
  if (random.chance(0.1))
    fields[random.pick(TEXTS).slice(0, 300)] = random.pick([...TEXTS, ...OTHERS])
  const type = random.chance(0.03) ? random.pick(TYPES) : random.pick(shape.types)
  const isForm = random.chance(0.04) ? !type.includes('form') : type.includes('form')
  if (!isForm) return { text: JSON.stringify(fields), type }
  const texts = Object.entries(fields).map(([name, value]): [string, string] => [
    name,
    asText(value) ?? '',
  ])
  return { text: new URLSearchParams(texts).toString(), type }
}

/** Somebody's cookies, or these with something wrong. */
function cookieOf(random: Random, { cookies }: Material): string {
  const own = random.pick(Object.values(cookies))
  if (random.chance(0.85)) return own
  const pairs = own.split('; ').filter(Boolean)
  const odd = random
    .pick(TEXTS)
    .replace(/[^\x21-\x7e]/g, '')
    .slice(0, 3_000)
  const name = random.pick([
    'session_token',
    'access_token',
    'two_factor',
    'state',
    'passkey_challenge',
    'x',
  ])
  return random
    .pick([
      [...pairs, ...pairs],
      pairs.map((pair) => `${pair}x`),
      pairs.map((pair) => pair.replace(/=.*/, `=${odd}`)),
      [...pairs, `__Host-tollgate.${name}=${odd}`],
      [...pairs, `__Host-tollgate.${name}=${pairs[0]?.replace(/^[^=]*=/, '') ?? ''}`],
      [odd],
      ['=', ';', '=a', 'a'],
      Array.from({ length: 300 }, (_, n) => `c${n}=${odd.slice(0, 10)}`),
    ])
    .join('; ')
}
