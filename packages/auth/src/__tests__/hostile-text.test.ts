/** Text that is made to take long stops nobody: what reads it takes linear time, up to the whole handler. */

import { growsLinearly, HOSTILE_TEXTS } from '@repo/core/testing'
import { expect, test } from 'vitest'
import { safePath } from '../http/forms.ts'
import { onePath, redirectPage, sameOriginPath, sameSiteRedirect } from '../http/same-site.ts'
import { slugOf } from '../organization/rules.ts'
import { readClaims } from '../session/access-token.ts'
import { ACCESS_COOKIE, readCookie } from '../session/cookies.ts'
import { TEST_ORIGIN } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()

/** A request as far as readers look at it: its parts may be what `Request` would refuse. */
const requestWith = (parts: { url?: string; headers?: Record<string, string> }) =>
  ({
    method: 'GET',
    url: parts.url ?? TEST_ORIGIN,
    headers: { get: (name: string) => parts.headers?.[name] ?? null },
  }) as unknown as Request
const NAVIGATION = {
  'sec-fetch-site': 'cross-site',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': 'document',
}
const asked: string[] = []
const verifier = {
  cookie: ACCESS_COOKIE,
  recall: () => null,
  verify: async (token: string) => {
    asked.push(token)
    return null
  },
}

const READERS: Record<string, (text: string) => unknown> = {
  'a return address': (text) => sameOriginPath(text, TEST_ORIGIN),
  'a path of ours': (text) => sameOriginPath(`/${text}`, TEST_ORIGIN),
  'a page to go to': (text) => safePath(text, '/'),
  'a path': (text) => onePath(`/${text}`),
  'a hop': (text) => redirectPage(text),
  'a page asked for from elsewhere': (text) =>
    sameSiteRedirect(
      requestWith({
        url: `${TEST_ORIGIN}/${encodeURI(text.replaceAll(/\p{Surrogate}/gu, '?'))}`,
        headers: NAVIGATION,
      }),
    ),
  'a cookie header': (text) =>
    readCookie(requestWith({ headers: { cookie: text } }), ACCESS_COOKIE),
  'a cookie of our name': (text) =>
    readCookie(requestWith({ headers: { cookie: `${ACCESS_COOKIE}=${text}` } }), ACCESS_COOKIE),
  'an Authorization header': (text) =>
    readClaims(requestWith({ headers: { authorization: text } }), verifier),
  'a bearer token': (text) =>
    readClaims(requestWith({ headers: { authorization: `Bearer ${text}` } }), verifier),
  "an organization's name": (text) => slugOf(text, 'abcdef'),
}

test.each(Object.entries(READERS))('%s is read in linear time', (_, read) => {
  const cookies = (length: number) => `x${ACCESS_COOKIE}=`.repeat(Math.ceil(length / 30))
  const texts = [...HOSTILE_TEXTS, ['cookies of nearly our name', cookies] as const]
  const slow = texts.filter(([, textOf]) => !growsLinearly(read, textOf))
  expect(slow.map(([name]) => name)).toEqual([])
})

test.each([
  ['a provider', 60_000, (text: string) => ({ provider: text })],
  ['a return address', 60_000, (text: string) => ({ provider: 'github', callbackURL: text })],
  ['any field', 30_000, (text: string) => ({ provider: 'github', anything: text, [text]: 1 })],
])(
  'a request with %s of %i letters takes about as long as a short request',
  async (_, letters, bodyOf) => {
    const least = async (text: string) => {
      let ms = Number.POSITIVE_INFINITY
      for (let round = 0; round < 5; round += 1) {
        const start = performance.now()
        const { status } = await setup.auth.post('/sign-in/social', bodyOf(text))
        ms = Math.min(ms, performance.now() - start)
        expect(status).toBeLessThan(500)
      }
      return ms
    }
    // With a pattern that takes the square of its text it is some seconds.
    expect(await least('a'.repeat(letters))).toBeLessThan(100 * (await least('a')) + 100)
  },
)
