/** Whatever stands in headers, cookies, addresses and bodies, guards answer, or refuse with a code. */

import { isTollgateError } from '@repo/core'
import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { createEdge, type Edge, sameSiteRedirect } from '../edge.ts'
import { TEST_ORIGIN } from '../testing.ts'
import { accessTokenOf } from './cookies.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
let cookie: string
let edge: Edge
beforeAll(async () => {
  cookie = (await setup.auth.signIn()).cookie
  const jwks = await (await setup.auth.handler(setup.auth.request('/api/auth/jwks'))).json()
  edge = createEdge({ baseURL: TEST_ORIGIN, jwks: jwks as never })
})

/** What a header may hold: any byte but these three. */
const bytes = fc
  .array(
    fc.integer({ min: 1, max: 0xff }).filter((code) => code !== 10 && code !== 13),
    {
      maxLength: 60,
    },
  )
  .map((codes) => String.fromCharCode(...codes))
const junk = fc.oneof(
  bytes,
  fc.constantFrom('', '%', '%zz', '%00', '%ff', '.', 'a.b', 'ey.ey.ey', '__proto__', '[', '::1%x'),
)

/** Pairs of ours and others', with true values, halves of them, and junk. */
const cookies = fc
  .array(
    fc.tuple(
      fc.constantFrom('session_token', 'access_token', 'renewed', 'state', 'dont_remember', 'x'),
      fc.oneof(junk, fc.constant('true value')),
    ),
    { maxLength: 4 },
  )
  .map((pairs) =>
    pairs.map(([name, value]) =>
      value === 'true value' ? cookie.split('; ')[0] : `__Host-tollgate.${name}=${value}`,
    ),
  )
  .map((pairs) => pairs.join('; '))

const headers = fc.record(
  {
    cookie: fc.oneof(cookies, junk),
    authorization: fc.oneof(
      junk,
      junk.map((text) => `Bearer ${text}`),
      fc.nat(400).map((length) => `Bearer ${accessTokenOf(cookie).slice(0, length)}`),
    ),
    'x-forwarded-for': fc.oneof(junk, fc.ipV4(), fc.ipV6(), fc.tuple(fc.ipV6(), junk).map(String)),
    origin: fc.oneof(junk, fc.constantFrom('null', TEST_ORIGIN)),
    'sec-fetch-site': fc.oneof(junk, fc.constantFrom('cross-site', 'same-origin')),
    'sec-fetch-mode': fc.oneof(junk, fc.constant('navigate')),
    'sec-fetch-dest': fc.oneof(junk, fc.constant('document')),
    'user-agent': junk,
    'content-type': fc.oneof(
      junk,
      fc.constantFrom('application/json', 'application/x-www-form-urlencoded'),
    ),
    'content-length': fc.oneof(junk, fc.nat().map(String)),
  },
  { requiredKeys: [] },
)

const path = fc.oneof(
  fc.webPath(),
  fc.constantFrom('/', '//evil.example', '/%zz', '/%00', '/?next=%', '/api/auth/get-session'),
  fc.string({ unit: 'binary' }).map((text) => `/${text}`),
)

/** Requests as a server makes them of what it was sent. */
const requests = (method: 'GET' | 'POST') =>
  fc.record({ path, headers, body: junk }).map(({ path, headers, body }) => {
    const url = new URL(path.replace(/^\/+/, '/'), TEST_ORIGIN)
    return new Request(url, { method, headers, ...(method === 'POST' ? { body } : {}) })
  })

/** Nothing but a refusal of ours below 500 may be thrown, and no answer may be 5xx. */
async function holds(work: () => unknown): Promise<void> {
  try {
    const outcome = await work()
    if (outcome instanceof Response) expect(outcome.status).toBeLessThan(500)
  } catch (error) {
    if (!isTollgateError(error)) throw error
    expect(error.status).toBeLessThan(500)
  }
}

const GUARDS: [string, (req: Request) => unknown][] = [
  ['getSession', (req) => setup.auth.getSession(req)],
  ['getSession, fresh', (req) => setup.auth.getSession(req, { fresh: true })],
  ['requireAuth', (req) => setup.auth.requireAuth(req)],
  ['requireRole', (req) => setup.auth.requireRole(req, 'ADMIN')],
  ['requirePermission', (req) => setup.auth.requirePermission(req, 'calls:read')],
  ['requireOrganization', (req) => setup.auth.requireOrganization(req)],
  ['getUser', (req) => setup.auth.getUser(req)],
  ['rateLimit', (req) => setup.auth.rateLimit(req, { anonymous: 1e6, signedIn: 1e6 })],
  [
    'renewCookies',
    async (req) => {
      await setup.auth.getSession(req)
      await setup.auth.renewCookies(req)
    },
  ],
  ['listSessions', (req) => setup.auth.listSessions(req)],
  ['revokeSession', (req) => setup.auth.revokeSession(req, 'none')],
  ['sameSiteRedirect', (req) => sameSiteRedirect(req)],
  ['handler', (req) => setup.auth.handler(req)],
  ['edge getSession', (req) => edge.getSession(req)],
  ['edge requireAuth', (req) => edge.requireAuth(req)],
  ['edge requireRole', (req) => edge.requireRole(req, 'ADMIN')],
  ['edge renew', (req) => edge.renew(req)],
]

test.each(GUARDS)('%s', async (_, guard) => {
  await fc.assert(
    fc.asyncProperty(requests('GET'), (req) => holds(() => guard(req))),
    { numRuns: 150 },
  )
})

const FORMS = ['/sign-in/email', '/sign-up/email', '/sign-in/social', '/sign-out', '/confirm-email']

test.each([
  [
    'handler',
    (req: Request, endpoint: string) => {
      const url = `${TEST_ORIGIN}/api/auth${endpoint}`
      return setup.auth.handler(new Request(url, req))
    },
  ],
  [
    'formAction',
    (req: Request, endpoint: string) =>
      setup.auth.formAction(req, { path: endpoint, success: '/in', failure: '/out' }),
  ],
])('every request that is posted to %s', async (_, post) => {
  await fc.assert(
    fc.asyncProperty(requests('POST'), fc.constantFrom(...FORMS), (req, endpoint) =>
      holds(() => post(req, endpoint)),
    ),
    { numRuns: 300 },
  )
})
