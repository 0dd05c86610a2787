/** Any OpenID Connect provider, and Google and Microsoft: against a real one, over HTTP. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type AuthEnv, microsoftFrom, oidcFrom } from '../env.ts'
import { cookiesOf, createTestAuth, TEST_ORIGIN, type TestAuth } from '../testing.ts'
import { createBrowser } from './browser.ts'
import { type Issuer, OIDC_CLIENT, startIssuer } from './issuer.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
const callback = (id: string) => `${TEST_ORIGIN}/api/auth/callback/${id}`

let auth: TestAuth
let keycloak: Issuer
let google: Issuer
let microsoft: Issuer
beforeAll(async () => {
  keycloak = await startIssuer({ redirectUri: callback('keycloak') })
  google = await startIssuer({
    redirectUri: callback('google'),
    routes: { authorization: '/o/oauth2/v2/auth', token: '/token' },
  })
  microsoft = await startIssuer({
    redirectUri: callback('microsoft'),
    routes: {
      authorization: '/common/oauth2/v2.0/authorize',
      token: '/common/oauth2/v2.0/token',
    },
  })
  auth = createTestAuth({
    db: setup.db,
    google: { ...OIDC_CLIENT, endpoint: google.url },
    microsoft: { ...OIDC_CLIENT, endpoint: microsoft.url },
    oidc: { keycloak: { issuer: keycloak.url, ...OIDC_CLIENT } },
    pages: { onboarding: '/welcome' },
  })
})
afterAll(async () => {
  await auth.settled()
  await Promise.all([keycloak, google, microsoft].map((issuer) => issuer.close()))
})
beforeEach(() => {
  for (const { asked, refusals } of [keycloak, google, microsoft]) {
    asked.length = 0
    refusals.length = 0
  }
})

/** Asks to sign in: the provider's address and the state cookie. */
async function begin(provider: string, from = auth) {
  const answer = await from.post('/sign-in/social', {
    provider,
    callbackURL: '/dashboard',
    errorCallbackURL: '/sign-in',
  })
  const { url } = (await answer.json()) as { url: string }
  return { url, state: cookiesOf(answer) }
}

/** Signs in through `provider` as a new browser does; gives our answer to the callback. */
async function come(provider: string, from = auth): Promise<Response> {
  const { url, state } = await begin(provider, from)
  const back = await createBrowser().until(TEST_ORIGIN, url)
  return from.handler(from.request(`${back.pathname}${back.search}`, { cookie: state }))
}
const userOf = (answer: Response) => auth.getUser(auth.request('/', { cookie: cookiesOf(answer) }))
const leadsTo = async (answer: Response) => /content="0;url=([^"]+)"/.exec(await answer.text())?.[1]
const rows = async () => [await setup.db.user.count(), await setup.db.account.count()]

describe('a provider found by its issuer', () => {
  test('signs in with state, PKCE and a nonce, and the first time leads to onboarding', async () => {
    const first = await come('keycloak')
    expect(await leadsTo(first)).toBe('/welcome')
    expect(await userOf(first)).toMatchObject({ email: 'ada@example.com', emailVerified: true })
    const session = await auth.requireAuth(auth.request('/', { cookie: cookiesOf(first) }))
    expect(session.organizationId).toBeNull()
    expect(await leadsTo(await come('keycloak'))).toBe('/dashboard')

    const [asked] = keycloak.asked
    expect(asked?.get('code_challenge_method')).toBe('S256')
    expect(asked?.get('scope')).toBe('openid profile email')
    expect(asked?.get('nonce')).toMatch(/^.{20,}$/)
    expect(asked?.get('state')).toMatch(/^.{20,}$/)
    const account = await setup.db.account.findFirstOrThrow({ where: { providerId: 'keycloak' } })
    expect(account.accountId).toBe('ada')
    expect(await setup.db.account.count({ where: { providerId: 'keycloak' } })).toBe(1)
  })

  test('leaves no token behind that can be read', async () => {
    const account = await setup.db.account.findFirstOrThrow({ where: { providerId: 'keycloak' } })
    expect(account.idToken).toBeNull()
    const [decrypted, stored] = [keycloak.tokens[0] as string, account.accessToken]
    expect(stored).toBeTruthy()
    expect(stored).not.toContain(decrypted)
  })

  test.each([
    ['nonce', (url: URL) => url.searchParams.set('nonce', 'another')],
    ['PKCE challenge', (url: URL) => url.searchParams.set('code_challenge', 'x'.repeat(43))],
  ])('gives no session when the %s was not ours', async (_, change) => {
    keycloak.profile = { sub: 'eve', email: 'eve@example.com', email_verified: true }
    const { url, state } = await begin('keycloak')
    const target = new URL(url)
    change(target)
    const back = await createBrowser().until(TEST_ORIGIN, target)
    const before = await rows()
    const answer = await auth.handler(
      auth.request(`${back.pathname}${back.search}`, { cookie: state }),
    )
    expect(await leadsTo(answer)).toMatch(/^\/sign-in\?error=/)
    expect(cookiesOf(answer)).not.toContain('session_token')
    expect(await rows()).toEqual(before)
  })

  test('gives no session for a used code', async () => {
    keycloak.profile = { sub: 'twice', email: 'twice@example.com', email_verified: true }
    const first = await begin('keycloak')
    const back = await createBrowser().until(TEST_ORIGIN, first.url)
    await auth.handler(auth.request(`${back.pathname}${back.search}`, { cookie: first.state }))
    const second = await begin('keycloak')
    back.searchParams.set('state', new URL(second.url).searchParams.get('state') as string)
    const answer = await auth.handler(
      auth.request(`${back.pathname}${back.search}`, { cookie: second.state }),
    )
    expect(cookiesOf(answer)).not.toContain('session_token')
    expect(keycloak.refusals).toEqual(['invalid_grant'])
  })

  test('is not believed if it names itself differently', async () => {
    const other = createTestAuth({
      db: setup.db,
      oidc: {
        keycloak: { ...OIDC_CLIENT, issuer: keycloak.url.replace('127.0.0.1', 'localhost') },
      },
    })
    const answer = await other.post('/sign-in/social', { provider: 'keycloak' })
    expect(answer.status).toBe(500)
    expect(await answer.text()).not.toContain('127.0.0.1')
  })

  test('is an error while it is unreachable, and nobody else waits for it', async () => {
    const away = createTestAuth({
      db: setup.db,
      oidc: { away: { ...OIDC_CLIENT, issuer: 'http://127.0.0.1:9' } },
    })
    await away.signIn('patient@example.com')
    for (let n = 0; n < 2; n += 1) {
      const answer = await away.post('/sign-in/social', { provider: 'away' })
      expect(answer.status).toBe(503)
      expect(await answer.json()).toMatchObject({ code: 'provider_unavailable' })
    }
  })

  test.each([
    ['an address that is only said to be verified', { email_verified: 'false' }],
    ['an address that is not verified', { email_verified: false }],
    ['an address of which nothing is said', {}],
  ])('with %s signs nobody in before the address is confirmed here', async (_, claims) => {
    const sub = `unproven-${Math.random()}`
    keycloak.profile = { sub, email: `${sub}@example.com`, name: 'Mallory', ...claims }
    const answer = await come('keycloak')
    expect(await leadsTo(answer)).toBe('/sign-in?error=email_not_verified')
    expect(cookiesOf(answer)).not.toContain('session_token')
    expect(await setup.db.session.count({ where: { user: { email: `${sub}@example.com` } } })).toBe(
      0,
    )
  })
})

test('Google signs in', async () => {
  google.profile = { sub: 'g-1', email: 'grace@example.com', email_verified: true, name: 'Grace' }
  expect(await userOf(await come('google'))).toMatchObject({ email: 'grace@example.com' })
  expect(google.asked[0]?.get('code_challenge_method')).toBe('S256')
})

describe('Microsoft', () => {
  const person = (sub: string, claims: object = {}) => ({
    sub,
    oid: `oid-${sub}`,
    tid: 'a-tenant',
    email: `${sub}@example.com`,
    name: 'Hedy',
    ...claims,
  })

  test('signs in with an address whose domain belongs to its tenant', async () => {
    microsoft.profile = person('hedy', { xms_edov: true })
    expect(await userOf(await come('microsoft'))).toMatchObject({ email: 'hedy@example.com' })
    expect(microsoft.asked[0]?.get('code_challenge_method')).toBe('S256')
    expect(await setup.db.account.count({ where: { accountId: 'oid-hedy' } })).toBe(1)
  })

  test.each([
    ['email_verified', { email_verified: true }],
    ['verified_primary_email', { verified_primary_email: ['owner-of@example.com'] }],
  ])('of any tenant does not take over an address’s owner by %s', async (_, claims) => {
    const owner = await setup.db.user.findUnique({ where: { email: 'owner-of@example.com' } })
    const userId = owner?.id ?? (await auth.signIn('owner-of@example.com')).userId
    microsoft.profile = person('owner-of', claims)
    expect(await leadsTo(await come('microsoft'))).toBe('/sign-in?error=email_not_verified')
    expect(await setup.db.account.count({ where: { userId } })).toBe(1)
  })

  test('of a single tenant vouches for its own directory', async () => {
    const own = await startIssuer({
      redirectUri: callback('microsoft'),
      routes: {
        authorization: '/acme-tenant/oauth2/v2.0/authorize',
        token: '/acme-tenant/oauth2/v2.0/token',
      },
    })
    const tenant = createTestAuth({
      db: setup.db,
      microsoft: { ...OIDC_CLIENT, endpoint: own.url, tenantId: 'acme-tenant' },
    })
    own.profile = person('ida', { verified_primary_email: ['ida@example.com'] })
    expect(await userOf(await come('microsoft', tenant))).toMatchObject({ emailVerified: true })
    await own.close()
  })
})

test.each(['github', 'credential', 'With Space', '', '../up'])(
  '%j cannot be the id of a provider',
  (id) => {
    const oidc = { [id]: { issuer: 'https://id.example.com', clientId: 'x' } }
    expect(() => createTestAuth({ db: setup.db, oidc })).toThrow(
      expect.objectContaining({ code: 'invalid_options' }),
    )
  },
)

describe('from the environment', () => {
  test('a provider is on when its variables are set', () => {
    const env = {
      OIDC_ISSUER: 'https://id.example.com',
      OIDC_CLIENT_ID: 'x',
      OIDC_PROVIDER_ID: 'keycloak',
      MICROSOFT_CLIENT_ID: 'a',
      MICROSOFT_CLIENT_SECRET: 'b',
      MICROSOFT_TENANT_ID: 'acme-tenant',
    }
    expect(oidcFrom(env)).toEqual({
      oidc: { keycloak: { issuer: 'https://id.example.com', clientId: 'x' } },
    })
    expect(microsoftFrom(env)).toEqual({
      microsoft: { clientId: 'a', clientSecret: 'b', tenantId: 'acme-tenant' },
    })
    expect([oidcFrom({}), microsoftFrom({})]).toEqual([{}, {}])
  })

  test.each([
    ['an issuer without a client', { OIDC_ISSUER: 'https://id.example.com' }],
    ['a client without an issuer', { OIDC_CLIENT_ID: 'x' }],
    ['half of Microsoft', { MICROSOFT_CLIENT_ID: 'a' }],
  ])('%s is one clear error', (_, env: Partial<AuthEnv>) => {
    const read = () => [oidcFrom(env), microsoftFrom(env)]
    expect(read).toThrow(expect.objectContaining({ code: 'invalid_options' }))
  })
})
