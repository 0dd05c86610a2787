/** Whose requests are counted together. */

import { expect, test } from 'vitest'
import { createAddressOf, limitEnv } from '../orders/limits.ts'

const req = (forwarded?: string) =>
  new Request('http://localhost/', forwarded ? { headers: { 'x-forwarded-for': forwarded } } : {})

test.each([
  ['an address', '203.0.113.7', [], '203.0.113.7'],
  ['nothing', undefined, [], null],
  ['no address', 'unknown', [], null],
  ['a list, which anyone can begin', '203.0.113.7, 198.51.100.1', [], null],
  ['a list behind a known proxy', '203.0.113.7, 198.51.100.1', ['198.51.100.0/24'], '203.0.113.7'],
  ['a list that was begun by the caller', '1.1.1.1, 203.0.113.7', ['198.51.100.1'], '203.0.113.7'],
  ['proxies alone', '198.51.100.1', ['198.51.100.1'], null],
  ['IPv6, by its network', '2001:db8:1:2:3:4:5:6', [], '2001:db8:1:2::/64'],
  ['short IPv6', '2001:db8::1', [], '2001:db8:0:0::/64'],
  ['the shortest', '::1', [], '0:0:0:0::/64'],
])('%s', (_, forwarded, proxies, expected) => {
  expect(createAddressOf('x-forwarded-for', proxies)(req(forwarded))).toBe(expected)
})

test.each([
  ['10.0.0.1, 10.1.0.0/16,::1/128', true],
  ['', true],
  ['10.0.0.1/33', false],
  ['::1/129', false],
  ['proxy.example.com', false],
  ['10.0.0.1/8/8', false],
])('TRUSTED_PROXIES of %j is taken or named as malformed: %s', (TRUSTED_PROXIES, isTaken) => {
  expect(limitEnv.safeParse({ TRUSTED_PROXIES }).success).toBe(isTaken)
})
