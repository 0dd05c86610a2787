/**
 * Signing in at the stand-ins of the sandbox, which are not made of the same parts as the providers that the other tests
 * use: the whole flow at each provider, what a stand-in can do wrong, and where a stand-in is refused.
 */

import { createTestLogger } from '@repo/core/testing'
import { createSandbox, type OAuthProviderName } from '@repo/sandbox'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createAuth } from '../index.ts'
import { cookiesOf, createTestAuth, TEST_ORIGIN, type TestAuth } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
const PROVIDERS = ['github', 'google', 'microsoft', 'oidc'] as const
const KEYS = { clientId: 'acme', clientSecret: 'a secret of acme' }
const clientOf = (name: OAuthProviderName) => ({
  ...KEYS,
  redirectUris: [`${TEST_ORIGIN}/api/auth/callback/${name}`],
})
const sandbox = createSandbox({
  stripe: { secretKey: 'sk_test_none' },
  oauth: { clients: Object.fromEntries(PROVIDERS.map((name) => [name, clientOf(name)])) },
  logger: createTestLogger(),
})
let auth: TestAuth
let endpoints: Record<OAuthProviderName, string>

beforeAll(async () => {
  endpoints = (await sandbox.listen()).oauthUrls
  auth = createTestAuth({
    db: setup.db,
    github: { ...KEYS, endpoint: endpoints.github },
    google: { ...KEYS, endpoint: endpoints.google },
    microsoft: { ...KEYS, endpoint: endpoints.microsoft },
    oidc: { oidc: { ...KEYS, issuer: endpoints.oidc } },
  })
})
afterAll(() => sandbox.stop())

async function begin(provider: string) {
  const body = { provider, callbackURL: '/dashboard', errorCallbackURL: '/sign-in' }
  const answer = await auth.post('/sign-in/social', body)
  const { url } = (await answer.json()) as { url: string }
  return { target: new URL(url), cookie: cookiesOf(answer) }
}

/** Presses a button of the provider's page; the way back. */
async function choose(target: URL, fields: Record<string, string>): Promise<URL> {
  const answer = await fetch(target, {
    method: 'POST',
    body: new URLSearchParams(fields),
    redirect: 'manual',
    headers: { origin: target.origin },
  })
  expect(answer.status).toBe(303)
  return new URL(answer.headers.get('location') as string)
}

const comeBack = ({ pathname, search }: URL, cookie: string) =>
  auth.handler(auth.request(`${pathname}${search}`, { cookie }))

async function signIn(provider: string, fields: Record<string, string>): Promise<Response> {
  const { target, cookie } = await begin(provider)
  return comeBack(await choose(target, fields), cookie)
}

const userOf = (answer: Response) => auth.getUser(auth.request('/', { cookie: cookiesOf(answer) }))

const signsIn = (answer: Response) =>
  answer.headers.getSetCookie().some((line) => /session_token=[^;]/.test(line))

/** The page that a refusal leads to. */
const leadsTo = async (answer: Response) => /content="0;url=([^"]+)"/.exec(await answer.text())?.[1]

const counted = async () => [
  await setup.db.user.count(),
  await setup.db.account.count(),
  await setup.db.session.count(),
]

test.each(PROVIDERS)('%s signs a person up, and the same person in again', async (name) => {
  const email = `new@${name}.example`
  const typed = { name: 'New Person', email, verified: 'on' }
  const first = await signIn(name, typed)
  expect(await userOf(first)).toMatchObject({ email, emailVerified: true, name: 'New Person' })
  const again = await signIn(name, { person: email })
  expect(await userOf(again)).toMatchObject({ email })
  const accounts = await setup.db.account.findMany({ where: { user: { email } } })
  expect(accounts.map(({ providerId }) => providerId)).toEqual([name])
})

test.each(PROVIDERS)('%s: a person who cancels comes back to the sign-in page', async (name) => {
  const before = await counted()
  const answer = await signIn(name, { refuse: 'yes' })
  expect(signsIn(answer)).toBe(false)
  expect(await leadsTo(answer)).toMatch(/^\/sign-in\?error=access_denied/)
  expect(await counted()).toEqual(before)
})

test.each(PROVIDERS)(
  '%s: a wrong state, and a code that was used, sign nobody in',
  async (name) => {
    const { target, cookie } = await begin(name)
    const back = await choose(target, { person: 'grace' })
    const forged = new URL(back)
    forged.searchParams.set('state', `${forged.searchParams.get('state')}x`)
    const before = await counted()
    expect(signsIn(await comeBack(forged, cookie))).toBe(false)
    expect(await counted()).toEqual(before)
    expect(signsIn(await comeBack(back, cookie))).toBe(true)
    // The code of the first sign-in, put into a second one.
    const second = await begin(name)
    const replayed = await choose(second.target, { person: 'ada' })
    replayed.searchParams.set('code', back.searchParams.get('code') as string)
    const now = await counted()
    const answer = await comeBack(replayed, second.cookie)
    expect(signsIn(answer)).toBe(false)
    expect(await leadsTo(answer)).toMatch(/error=/)
    expect(await counted()).toEqual(now)
  },
)

test.each(PROVIDERS)(
  '%s: whoever only claims an address does not get its owner’s account',
  async (name) => {
    const owner = await auth.signIn(`owner@${name}.example`)
    const before = await setup.db.account.findMany({ where: { user: { email: owner.email } } })
    const answer = await signIn(name, { name: 'Mallory', email: owner.email })
    expect(signsIn(answer)).toBe(false)
    const after = await setup.db.account.findMany({ where: { user: { email: owner.email } } })
    expect(after).toEqual(before)
    expect(await auth.getUser(auth.request('/', { cookie: owner.cookie }))).toMatchObject({
      email: owner.email,
    })
  },
)

test.each(['github', 'microsoft', 'oidc'] as const)(
  '%s: an account without an address signs nobody up',
  async (name) => {
    const before = await counted()
    const answer = await signIn(name, { person: 'alan' })
    expect(answer.status).toBe(200)
    expect(signsIn(answer)).toBe(false)
    expect(await leadsTo(answer)).toMatch(/^\/sign-in\?error=email_not_found/)
    expect(await counted()).toEqual(before)
  },
)

test.each(PROVIDERS)('%s: a provider that is down leads back with an error', async (name) => {
  const { target, cookie } = await begin(name)
  const back = await choose(target, { person: 'grace' })
  const before = await counted()
  sandbox.oauth.setDown(name, true)
  const answer = await comeBack(back, cookie)
  sandbox.oauth.setDown(name, false)
  expect(answer.status).toBe(200)
  expect(signsIn(answer)).toBe(false)
  expect(await leadsTo(answer)).toMatch(/^\/sign-in\?error=/)
  expect(await counted()).toEqual(before)
})

test('GitHub that stops after the token leads back with an error', async () => {
  const { target, cookie } = await begin('github')
  const back = await choose(target, { person: 'grace' })
  const real = globalThis.fetch
  const cut = vi.spyOn(globalThis, 'fetch').mockImplementation((input, init) => {
    // The process of GitHub's API dies: no connection at all.
    if (String(input).endsWith('/user')) return real('http://127.0.0.1:9/', init)
    return real(input, init)
  })
  const answer = await comeBack(back, cookie).finally(() => cut.mockRestore())
  expect(answer.status).toBe(200)
  expect(await leadsTo(answer)).toMatch(/^\/sign-in\?error=unable_to_get_user_info/)
})

const SECRET = 'a secret of 32 characters or more, for tests'
const refusal = (options: object) => {
  try {
    createAuth({ secret: SECRET, baseURL: 'https://app.example.com', ...options })
    return null
  } catch (error) {
    return error as Error & { code: string }
  }
}

test.each(['github', 'google', 'microsoft'] as const)(
  'an app that other machines reach refuses a stand-in for %s',
  (name) => {
    const options = { [name]: { ...KEYS, endpoint: 'http://127.0.0.1:4242/it' } }
    for (const baseURL of [
      'https://app.example.com',
      'http://app.internal:3000',
      'https://localhost.evil.example',
      'http://127.0.0.1.nip.io',
      'http://10.0.0.1:3000',
    ]) {
      const error = refusal({ baseURL, ...options })
      expect([baseURL, error?.code]).toEqual([baseURL, 'invalid_options'])
      expect(error?.message).toContain(`Remove ${name.toUpperCase()}_ENDPOINT`)
    }
    for (const baseURL of [
      'http://localhost:3000',
      'http://127.0.0.1:3000',
      'http://[::1]:3000',
      'http://acme.localhost:3000',
    ]) {
      expect(refusal({ baseURL, ...options })).toBeNull()
    }
    expect(refusal({ [name]: KEYS })).toBeNull()
  },
)

test('an app that other machines reach refuses an issuer on http', () => {
  const oidc = (issuer: string) => ({ oidc: { acme: { ...KEYS, issuer } } })
  expect(refusal(oidc('http://127.0.0.1:4242/oidc'))?.code).toBe('invalid_options')
  expect(refusal(oidc('http://id.acme.example'))?.code).toBe('invalid_options')
  expect(refusal(oidc('https://id.acme.example'))).toBeNull()
  expect(refusal({ baseURL: 'http://localhost:3000', ...oidc('http://127.0.0.1:4242') })).toBeNull()
})

test('the variables of a stand-in are the option, and are refused without keys and in production', () => {
  const set = (variables: Record<string, string>) => {
    vi.unstubAllEnvs()
    const all = { BETTER_AUTH_SECRET: SECRET, APP_URL: 'http://localhost:3000', ...variables }
    for (const [name, value] of Object.entries(all)) vi.stubEnv(name, value)
  }
  const created = () => {
    try {
      createAuth({})
      return null
    } catch (error) {
      return (error as Error).message
    }
  }
  for (const name of ['GITHUB', 'GOOGLE', 'MICROSOFT']) {
    const keys = { [`${name}_CLIENT_ID`]: 'a', [`${name}_CLIENT_SECRET`]: 'b' }
    const standIn = { [`${name}_ENDPOINT`]: 'http://127.0.0.1:4242/it' }
    set({ ...keys, ...standIn })
    expect(created()).toBeNull()
    set({ ...keys, ...standIn, NODE_ENV: 'production', APP_URL: 'https://app.example.com' })
    expect(created()).toContain(`Remove ${name}_ENDPOINT`)
    set(standIn)
    expect(created()).toContain(`${name}_ENDPOINT is set without ${name}_CLIENT_ID`)
    set({ ...keys, [`${name}_ENDPOINT`]: 'not a url' })
    expect(created()).toContain(`${name}_ENDPOINT`)
  }
  vi.unstubAllEnvs()
})
