/** Whose requests are counted together, and what a log keeps of where they came from. */

import { expect, test } from 'vitest'
import { readEnv } from '../index.ts'
import { createAddressOf, networkOf, rateLimitEnv } from '../rate-limit/index.ts'
import { growsLinearly, HOSTILE_TEXTS } from '../testing.ts'

const from = (forwarded?: string) =>
  new Headers(forwarded === undefined ? {} : { 'x-forwarded-for': forwarded })

test.each([
  ['an address', '203.0.113.7', [], '203.0.113.7'],
  ['nothing', undefined, [], null],
  ['an empty header', '', [], null],
  ['commas', ', ,', ['10.0.0.1'], null],
  ['no address', 'unknown', [], null],
  ['an address with a port', '203.0.113.7:4711', [], '203.0.113.7'],
  ['an address with the port nought', '203.0.113.7:0', [], '203.0.113.7'],
  ['an address in quotes', '"203.0.113.7"', [], '203.0.113.7'],
  ['an address with a port, in quotes', '"203.0.113.7:4711"', [], '203.0.113.7'],
  ['IPv6 in brackets', '[2001:db8:1:2::9]', [], '2001:db8:1:2::'],
  ['IPv6 with a port', '[2001:db8:1:2::9]:443', [], '2001:db8:1:2::'],
  ['IPv6 with a port, in quotes', '"[2001:DB8:1:2::9]:443"', [], '2001:db8:1:2::'],
  ['IPv4 as IPv6 with a port', '[::ffff:203.0.113.7]:4711', [], '203.0.113.7'],
  ['IPv4 as IPv6 in groups with a port', '"[::FFFF:cb00:7107]:4711"', [], '203.0.113.7'],
  ['a list with ports', '203.0.113.7:4711, 10.1.2.3:80', ['10.0.0.0/8'], '203.0.113.7'],
  [
    'a list with ports behind IPv6',
    '203.0.113.7:4711, "[2001:db8::1]:443", [::1]',
    ['2001:db8::/32', '::1'],
    '203.0.113.7',
  ],
  ['a list with ports and no proxy', '203.0.113.7:4711, 198.51.100.1:80', [], null],
  ['a port that is none', '203.0.113.7:65536', [], null],
  ['a port of letters', '203.0.113.7:http', [], null],
  ['a port of nothing', '203.0.113.7:', [], null],
  ['two ports', '203.0.113.7:1:2', [], null],
  ['IPv4 in brackets', '[203.0.113.7]:80', [], null],
  ['brackets that are left open', '[2001:db8::1', [], null],
  ['brackets that are closed twice', '[2001:db8::1]]', [], null],
  ['a name in brackets', '[localhost]:80', [], null],
  ['IPv6 with a zone in brackets', '[fe80::1%eth0]:80', [], null],
  ['quotes that are left open', '"203.0.113.7', [], null],
  ['quotes in quotes', '""203.0.113.7""', [], null],
  ['an address in single quotes', "'203.0.113.7'", [], null],
  ['IPv6 that ends like a port', '2001:db8:1:2::443', [], '2001:db8:1:2::'],
  ['numbers that are none', '203.0.113.256', [], null],
  ['a list, which anyone can begin', '203.0.113.7, 198.51.100.1', [], null],
  ['a list behind a known proxy', '203.0.113.7, 198.51.100.1', ['198.51.100.0/24'], '203.0.113.7'],
  ['a list behind two', '203.0.113.7, 10.1.2.3,::1', ['10.0.0.0/8', '::1/128'], '203.0.113.7'],
  ['a list that was begun by the caller', '1.1.1.1, 203.0.113.7', ['198.51.100.1'], '203.0.113.7'],
  ['what no proxy writes', '203.0.113.7, unknown, 10.0.0.1', ['10.0.0.1'], null],
  ['proxies alone', '198.51.100.1', ['198.51.100.1'], null],
  ['a caller beside the range', '198.51.101.1', ['198.51.100.0/24'], '198.51.101.1'],
  ['IPv4 behind every IPv6', '203.0.113.7, ::1', ['::/0'], '203.0.113.7'],
  ['IPv6, by its network', '2001:db8:1:2:3:4:5:6', [], '2001:db8:1:2::'],
  ['IPv6, written otherwise', '2001:0DB8:0001:2::FFFF', [], '2001:db8:1:2::'],
  ['short IPv6', '2001:db8::1', [], '2001:db8:0:0::'],
  ['the shortest', '::1', [], '0:0:0:0::'],
  ['IPv6 with a zone', 'fe80::1%eth0', [], null],
  ['IPv4 as IPv6', '::ffff:203.0.113.7', [], '203.0.113.7'],
  ['IPv4 as IPv6, in groups', '0:0:0:0:0:ffff:cb00:7107', [], '203.0.113.7'],
  [
    'a proxy that writes itself as IPv6',
    '203.0.113.7, ::ffff:10.0.0.1',
    ['10.0.0.0/8'],
    '203.0.113.7',
  ],
  ['a proxy known as IPv6', '203.0.113.7, 10.0.0.1', ['::ffff:10.0.0.1'], '203.0.113.7'],
  [
    'IPv6 behind a proxy of IPv6',
    '2001:db8::1, 2001:db8:ffff::9',
    ['2001:db8:ffff::/48'],
    '2001:db8:0:0::',
  ],
])('%s', (_, forwarded, trustedProxies, expected) => {
  const headers = from(forwarded)
  expect(createAddressOf({ trustedProxies })(headers)).toBe(expected)
  expect(createAddressOf({ trustedProxies })(new Request('http://localhost', { headers }))).toBe(
    expected,
  )
})

test('only the named headers count, and the first header with an address wins', () => {
  const read = createAddressOf({ ipAddressHeaders: ['cf-connecting-ip', 'x-real-ip'] })
  const headers = from('203.0.113.7')
  expect(read(headers)).toBeNull()
  headers.set('x-real-ip', '203.0.113.8')
  expect(read(headers)).toBe('203.0.113.8')
  headers.set('cf-connecting-ip', 'unknown')
  expect(read(headers)).toBe('203.0.113.8')
  headers.set('cf-connecting-ip', '203.0.113.9')
  expect(read(headers)).toBe('203.0.113.9')
})

const FORWARDED = { ipAddressHeaders: ['Forwarded'], trustedProxies: ['10.0.0.0/8', '::1'] }

test.each([
  ['for=203.0.113.7', '203.0.113.7'],
  ['For="203.0.113.7:4711";proto=https;by=10.0.0.1', '203.0.113.7'],
  ['proto=https;for="[2001:db8:1:2::9]:443"', '2001:db8:1:2::'],
  ['for=203.0.113.7, for=10.0.0.1;host=a.example', '203.0.113.7'],
  ['for=1.1.1.1, for=203.0.113.7, for="[::1]"', '203.0.113.7'],
  ['for="x, for=203.0.113.9, for=10.0.0.1', '203.0.113.9'],
  ['for=203.0.113.7, for=unknown', null],
  ['for=203.0.113.7, for=_hidden, for=10.0.0.1', null],
  ['proto=https', null],
  ['203.0.113.7', null],
  ['for=203.0.113.7;for=203.0.113.8', null],
])('Forwarded: %s is a request from %s', (forwarded, expected) => {
  expect(createAddressOf(FORWARDED)(new Headers({ forwarded }))).toBe(expected)
})

test('the syntax of `Forwarded` is not read in another header', () => {
  expect(createAddressOf({})(from('for=203.0.113.7'))).toBeNull()
})

test('a header of 64 KiB is read in linear time', () => {
  const options = { trustedProxies: ['10.0.0.0/8', '::/1', '1.0.0.0/8'] }
  for (const read of [createAddressOf(options), createAddressOf(), createAddressOf(FORWARDED)]) {
    const reading = (text: string) => {
      const headers = new Map([
        ['x-forwarded-for', text],
        ['Forwarded', text],
      ])
      return read({ headers: { get: (name: string) => headers.get(name) ?? null } } as Request)
    }
    const slow = [...HOSTILE_TEXTS, ...ADDRESSES].filter(
      ([, textOf]) => !growsLinearly(reading, textOf),
    )
    expect(slow.map(([name]) => name)).toEqual([])
  }
  const slow = HOSTILE_TEXTS.filter(([, textOf]) => !growsLinearly(networkOf, textOf))
  expect(slow.map(([name]) => name)).toEqual([])
})

/** Lists of what has to be looked at. */
const ADDRESSES = [
  '10.0.0.1:80,',
  '::1,',
  '[::1]:80,',
  '"10.0.0.1",',
  'for=10.0.0.1;',
  'for="[::1]",',
].map((unit) => [unit, (length: number) => unit.repeat(Math.ceil(length / unit.length))] as const)

test.each([
  { trustedProxies: ['10.0.0.0/33'] },
  { trustedProxies: ['10.0.0.1', '::1/129'] },
  { trustedProxies: ['proxy.example.com'] },
  { trustedProxies: ['10.0.0.1/8/8'] },
  { trustedProxies: ['fe80::1%eth0'] },
  { trustedProxies: [''] },
  { ipAddressHeaders: ['x-forwarded-for, x-real-ip'] },
])('%j is refused when the reader is made', (options) => {
  expect(() => createAddressOf(options)).toThrow(
    expect.objectContaining({ code: 'invalid_options', status: 500 }),
  )
})

test.each([
  ['10.0.0.1, 10.1.0.0/16,::1/128', ['10.0.0.1', '10.1.0.0/16', '::1/128']],
  ['10.0.0.1,', ['10.0.0.1']],
  ['', undefined],
])('TRUSTED_PROXIES of %j is %j', (TRUSTED_PROXIES, proxies) => {
  expect(readEnv(rateLimitEnv, { TRUSTED_PROXIES }).TRUSTED_PROXIES).toEqual(proxies)
})

test.each(['10.0.0.1/33', '::1/129', 'proxy.example.com', '10.0.0.1/8/8', '10.0.0.1 10.0.0.2'])(
  'TRUSTED_PROXIES of %j is reported as malformed, together with other malformed variables',
  (TRUSTED_PROXIES) => {
    const env = { TRUSTED_PROXIES, CLIENT_IP_HEADER: 'x-real-ip, cf', REDIS_URL: 'localhost' }
    expect(() => readEnv(rateLimitEnv, env)).toThrow(
      expect.objectContaining({
        code: 'invalid_environment',
        message: expect.stringMatching(/REDIS_URL.*CLIENT_IP_HEADER.*TRUSTED_PROXIES/s),
      }),
    )
  },
)

test.each([
  ['203.0.113.77', '203.0.113.0'],
  ['::ffff:203.0.113.77', '203.0.113.0'],
  ['2001:0db8:0001:0002:0000:0000:0000:0000', '2001:db8:1::'],
  ['2001:db8:1:2::', '2001:db8:1::'],
  ['2001:db8::1', '2001:db8:0::'],
  ['::1', '0:0:0::'],
  ['203.0.113.77:4711', '203.0.113.0'],
  ['[2001:db8:1:2::9]:443', '2001:db8:1::'],
  ['unknown', null],
  ['', null],
])('the address %j is logged as %j', (address, network) => {
  expect(networkOf(address)).toBe(network)
})
