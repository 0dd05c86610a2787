/** Options of wrong kinds: one clear error when the instance is made, which names the option. */

import { lazy } from '@repo/core'
import { expect, test } from 'vitest'
import { createEdge } from '../edge.ts'
import { type AuthOptions, createAuth } from '../index.ts'
import { createNext, type NextAuth } from '../next.ts'
import { createProxy } from '../next-proxy.ts'

/** Values of every kind, by the words that say which options take them. */
const VALUES = {
  null: null,
  string: 'text',
  number: 5,
  boolean: true,
  list: [{}],
  object: { a: 5 },
  function: () => 'text',
  date: new Date(),
  symbol: Symbol('text'),
} as const
type Word = keyof typeof VALUES

/** Which of these values each option takes. A documented option that is missing here does not compile. */
const OPTIONS: Record<keyof AuthOptions, readonly Word[]> = {
  db: [],
  // Text, but no origin and no secret: the checks behind refuse it, in the same way.
  baseURL: [],
  secret: [],
  appName: ['string'],
  sender: [],
  twoFactor: ['boolean'],
  oauth: [],
  oidc: [],
  logger: [],
  bcryptRounds: [],
  passwordPeppers: [],
  breachedPasswords: ['boolean', 'function'],
  access: [],
  user: ['object'],
  locales: [],
  plugins: [],
  ordinaryEndpoints: [],
  errorTexts: [],
  pages: [],
  events: [],
  rateLimit: ['boolean'],
  bounds: ['object'],
  session: ['object'],
  accessToken: ['object'],
  listenUrl: ['string'],
  keepAuditDays: ['number'],
  keepUnconfirmedDays: ['number'],
  undoEmailChangeDays: ['number'],
  deletionGraceDays: ['number'],
  redisUrl: ['string'],
  github: [],
  google: [],
  microsoft: [],
  ipAddressHeaders: [],
  trustedProxies: [],
}

const base = {
  baseURL: 'https://app.example.com',
  secret: 'a-secret-of-thirty-two-characters!!',
  // Without it each public instance logs a warning.
  ipAddressHeaders: ['x-forwarded-for'],
}

/** The error of a call. */
function errorOf(make: () => unknown): unknown {
  try {
    make()
  } catch (error) {
    return error
  }
  throw new Error('There was no error.')
}

test.each(Object.entries(OPTIONS))('createAuth names the option %s', (option, allowed) => {
  for (const [word, value] of Object.entries(VALUES)) {
    const make = () => createAuth({ ...base, [option]: value } as never)
    if (allowed.includes(word as Word)) expect(make).not.toThrow()
    else {
      const error = errorOf(make)
      expect(error, word).toMatchObject({ code: 'invalid_options', status: 500 })
      const name = { baseURL: 'base ?URL', secret: 'secret', passwordPeppers: 'pepper' }[option]
      expect((error as Error).message, word).toMatch(new RegExp(name ?? option, 'i'))
    }
  }
})

test.each([
  [{ oauth: {} }, 'createAuth: oauth.scopes is missing. Give a list of strings.'],
  [{ oauth: { scopes: ['a', 5] } }, 'oauth.scopes[1] is the number 5.'],
  [{ secret: null }, 'createAuth: secret is null. Give a string.'],
  [{ secret: undefined }, 'createAuth: secret is missing. Give a string.'],
  [{ baseURL: undefined }, 'createAuth: baseURL is missing. Give a string.'],
  [{ passwordPeppers: 'x'.repeat(32) }, 'passwordPeppers is text. Give a list of strings.'],
  [{ github: { clientId: 'a' } }, 'github.clientSecret is missing.'],
  [{ google: { clientId: 'a', clientSecret: () => 'b' } }, 'google.clientSecret is a function.'],
  [{ github: { clientId: 'a', clientSecret: 'b', endpoint: 'x' } }, 'github.endpoint is text.'],
  [{ microsoft: { clientId: 'a', clientSecret: 'b', tenantId: 5 } }, 'microsoft.tenantId is'],
  [{ oidc: { acme: null } }, 'oidc.acme is null. Give an object.'],
  [{ oidc: { acme: { issuer: 'https://id.example', clientId: 5 } } }, 'oidc.acme.clientId is'],
  [{ accessToken: { alg: 'HS256' } }, 'accessToken.alg is text. Give ES256 or RS256.'],
  [{ accessToken: { keys: 'keys' } }, 'accessToken.keys is text.'],
  [{ session: { idleDays: '7' } }, 'session.idleDays is text. Give a number.'],
  [{ pages: { signIn: () => '/' } }, 'pages.signIn is a function. Give a string.'],
  [{ events: { userCreated: 'handler' } }, 'events.userCreated is text. Give a function.'],
  [{ bounds: { sessions: '5' } }, 'bounds.sessions is text. Give a number.'],
  [{ sender: {} }, 'sender has no function sendEmail.'],
  [{ logger: { info() {} } }, 'logger has no function debug.'],
  [{ breachedPasswords: 'yes' }, 'breachedPasswords is text. Give true or false or a function.'],
])('createAuth says what to give in place of %j', (options, message) => {
  const error = errorOf(() => createAuth({ ...base, ...options } as never))
  expect(error).toMatchObject({ code: 'invalid_options', status: 500 })
  expect((error as Error).message).toContain(message)
  expect((error as Error).message).not.toContain(base.secret)
})

test.each([[null], [5], ['text'], [[]]])('createAuth(%j) is refused', (options) => {
  expect(errorOf(() => createAuth(options as never))).toMatchObject({ code: 'invalid_options' })
})

test('paths and handlers that are undefined count as left out', () => {
  const pages = { signIn: undefined, onboarding: undefined }
  const events = { userCreated: undefined }
  expect(() => createAuth({ ...base, pages, events, redisUrl: undefined } as never)).not.toThrow()
})

const wrong = <T extends string>(of: Record<T, readonly unknown[]>) =>
  (Object.entries(of) as [T, readonly unknown[]][]).flatMap(([option, values]) =>
    values.map((value) => [option, value] as const),
  )

test.each(
  wrong({
    baseURL: [null, 5, () => 'https://app.example.com', []],
    protect: [null, '/dashboard', [5], () => []],
    signIn: [null, 5, () => '/sign-in', {}],
    jwks: [null, 'https://app.example.com/jwks', 5, {}, () => ({})],
  }),
)('createProxy names the option %s for %j', (option, value) => {
  const error = errorOf(() => createProxy({ [option]: value } as never))
  expect(error).toMatchObject({ code: 'invalid_options' })
  expect((error as Error).message).toMatch(new RegExp(`^createProxy: ${option}`))
})

test.each([undefined, null, 5, () => base.baseURL])(
  'createEdge names the base URL %j',
  (baseURL) => {
    const error = errorOf(() => createEdge({ baseURL } as never))
    expect(error).toMatchObject({ code: 'invalid_options' })
  },
)

test.each(wrong({ signIn: [null, 5, () => '/'], twoFactor: [null, 5, {}] }))(
  'createNext names the option %s for %j',
  (option, value) => {
    const auth = lazy((): NextAuth => {
      throw new Error('made')
    })
    const error = errorOf(() => createNext(auth, { [option]: value } as never))
    expect(error).toMatchObject({ code: 'invalid_options' })
    expect((error as Error).message).toMatch(new RegExp(`^createNext: ${option}`))
  },
)

test.each([undefined, null, 5, {}, 'auth'])('createNext(%j) is refused', (auth) => {
  const error = errorOf(() => createNext(auth as never))
  expect(error).toMatchObject({ code: 'invalid_options' })
  expect((error as Error).message).toContain('createNext: auth')
})

test.each([[null], [5], ['text'], [[]]])(
  'createProxy and createEdge refuse %j as options',
  (options) => {
    expect(errorOf(() => createProxy(options as never))).toMatchObject({ code: 'invalid_options' })
    expect(errorOf(() => createEdge(options as never))).toMatchObject({ code: 'invalid_options' })
  },
)
