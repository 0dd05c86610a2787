/** Malformed URLs, and international ones in a warm process. */

import { expect, test } from 'vitest'
import { canonicalEmail, originOf, parseUrl } from '../index.ts'

/** Calls `read` until the engine has compiled what it calls, as in a server that has run for a while. */
function warm(read: (text: string) => unknown): void {
  for (let n = 0; n < 300_000; n += 1) read(`https://a${n % 7}.example`)
}

test('an international host is read in a process with compiled code as in a new process', () => {
  warm(originOf)
  expect(originOf('https://münchen.example')).toBe('https://xn--mnchen-3ya.example')
  expect(canonicalEmail('ada@münchen.example')).toBe('ada@xn--mnchen-3ya.example')
})

test('a malformed URL is null', () => {
  expect(parseUrl('https://münchen.example')?.hostname).toBe('xn--mnchen-3ya.example')
  expect(parseUrl('https://')).toBeNull()
  expect(parseUrl('')).toBeNull()
  expect(parseUrl('/path')).toBeNull()
})
