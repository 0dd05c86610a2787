/**
 * Promise 5: a value that was issued for one purpose does nothing anywhere else. Every value that a caller can
 * get is sent to every endpoint in every field, as every cookie and as a bearer token, by a stranger and by
 * somebody who is signed in; and what can be asked for under another name is asked for so. The endpoints come
 * from the running handler, so a new one is tried as well.
 */

import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { createEdge, type Edge } from '../edge.ts'
import { createRequireScope } from '../scopes.ts'
import { cookiesOf, createTestAuth, TEST_ORIGIN, TEST_PASSWORD, type TestAuth } from '../testing.ts'
import { endpointsOf, type Field } from './endpoints.ts'
import { CLIENT, type GitHub, startGitHub } from './github.ts'
import { createPrograms } from './programs.ts'
import { setUpAuth } from './setup.ts'
import { collect, type Value } from './values.ts'

const setup = setUpAuth()

const VICTIM = 'victim@example.com'

/** What stands in the other fields, so that a request is refused for the value and for nothing before it. */
const OTHER_FIELDS: Record<string, unknown> = {
  email: VICTIM,
  password: 'a wrong horse battery',
  newPassword: 'another horse battery',
  name: 'x',
  provider: 'github',
  callbackURL: '/dashboard',
  redirectTo: '/dashboard',
  next: '/dashboard',
  grant_type: 'authorization_code',
  redirect_uri: 'https://client.example/callback',
  resource: `${TEST_ORIGIN}/api`,
  code: 'x',
  action: 'confirm',
  accept: true,
}

/** Fields by which something is redeemed. Here values are tried under other names as well. */
const REDEEMS = /^(:\w+|\w*token\w*|code|state|id|\w+_verifier|oauth_query|invitationId|otp)$/i

const sha256 = (value: string) => createHash('sha256').update(value).digest('base64url')

/** What Better Auth puts before a value to look it up, by the endpoints where the value is at home. */
const PREFIXES: [string, RegExp][] = [
  ['auth-state:', /callback/],
  ['magic-link:', /magic-link/],
  ['reset-password:', /reset-password/],
  ['confirm-email:', /confirm-email|change-email/],
  ['authorization_code:', /oauth2/],
  ['2fa-', /two-factor/],
]

/**
 * What Better Auth might look the value up by, if it took the identifier from a caller: both hashes, the prefix of
 * its own purpose, and one of the other prefixes. `turn` chooses that one, so that every field meets every prefix
 * and every value meets every prefix, but not every field with every value and every prefix.
 */
const otherNames = ({ value, own }: Value, turn: number) => {
  const isOwn = ([, home]: [string, RegExp]) => home.test(own.source.replaceAll('\\', ''))
  const foreign = PREFIXES.filter((each) => !isOwn(each))
  const prefixes = [...PREFIXES.filter(isOwn), foreign[turn % foreign.length]]
  return [
    ...prefixes.map((each) => `${each?.[0]}${value}`),
    sha256(value),
    sha256(`auth-state:${value}`),
  ]
}

/**
 * The values for an endpoint where no field redeems anything by its name. Of the three texts that a row of the
 * database shows, such an endpoint gets one: every endpoint meets every row, and every row's texts meet the
 * endpoints in turn. A field that redeems by its name gets all of them.
 */
const inTurn = (values: Value[], turn: number) =>
  values.filter(({ stored }) => stored === null || (stored.row + turn) % 3 === stored.text)

interface Stage {
  auth: TestAuth
  edge: Edge
  github: GitHub
  collected: Awaited<ReturnType<typeof collect>>
}

async function stage(): Promise<Stage> {
  const github = await startGitHub()
  const auth = createTestAuth({
    db: setup.db,
    twoFactor: true,
    oauth: { scopes: ['bookings:read'] },
    github: { ...CLIENT, endpoint: github.endpoint },
  })
  await auth.signIn(VICTIM)
  await setup.db.account.updateMany({
    where: { user: { email: VICTIM } },
    data: { password: 'hs384:none:unknown' },
  })
  await setup.db.user.update({ where: { email: VICTIM }, data: { role: 'ADMIN' } })
  const collected = await collect(auth, setup.db)
  const jwks = await (await auth.handler(auth.request('/api/auth/jwks'))).json()
  const edge = createEdge({ baseURL: TEST_ORIGIN, jwks: jwks as never })
  return { auth, edge, github, collected }
}

/** Everything that a redemption could change, of all but the user `except`. */
async function facts(except = ''): Promise<string> {
  const [row] = await setup.db.$queryRaw<{ facts: string }[]>`
    SELECT concat_ws(' ',
      (SELECT md5(string_agg(concat_ws(',', "id", "email", "emailVerified", "role", "name", "image", "twoFactorEnabled"), ';' ORDER BY "id")) FROM "User" WHERE "id" <> ${except}),
      (SELECT md5(string_agg(concat_ws(',', "id", "userId", "providerId", "password"), ';' ORDER BY "id")) FROM "Account" WHERE "userId" <> ${except}),
      (SELECT md5(string_agg(concat_ws(',', "id", "userId", "aal"), ';' ORDER BY "id")) FROM "Session" WHERE "userId" <> ${except}),
      (SELECT md5(string_agg(concat_ws(',', "userId", "secret", "backupCodes", "verified"), ';' ORDER BY "id")) FROM "TwoFactor" WHERE "userId" <> ${except}),
      (SELECT count(*) FROM "Passkey" WHERE "userId" <> ${except}),
      (SELECT count(*) FROM "OauthConsent" WHERE "userId" <> ${except}),
      (SELECT count(*) FROM "OauthRefreshToken" WHERE "userId" <> ${except} AND "revoked" IS NULL),
      (SELECT count(*) FROM "OauthAccessToken" WHERE "userId" <> ${except}),
      (SELECT count(*) FROM "OauthClient")) AS "facts"`
  return row?.facts ?? ''
}

/** A request to an endpoint with `value` in one field, and what is plausible in the others. */
function requestOf(
  { auth, collected }: Stage,
  { path, method, name, place, others, isUnnamed }: Field,
  value: string,
  { cookie, isEverywhere = false }: { cookie?: string; isEverywhere?: boolean } = {},
): Request {
  const rest: Record<string, unknown> = {}
  for (const other of others) {
    if (isEverywhere || isUnnamed) rest[other] = value
    else if (other !== name && other in OTHER_FIELDS) rest[other] = OTHER_FIELDS[other]
  }
  if (others.includes('client_id')) rest.client_id = collected.program.clientId
  if (others.includes('code_verifier')) rest.code_verifier = collected.asked.verifier
  if (name === 'refresh_token') rest.grant_type = 'refresh_token'
  if (place !== 'path') rest[name] = value
  const address = `/api/auth${path.replace(/:\w+/g, place === 'path' ? encodeURIComponent(value) : 'github')}`
  const headers = { origin: TEST_ORIGIN }
  if (place === 'body') {
    const isForm = path.startsWith('/oauth2/')
    const type = isForm ? 'application/x-www-form-urlencoded' : 'application/json'
    const body = isForm
      ? new URLSearchParams(rest as Record<string, string>).toString()
      : JSON.stringify(rest)
    return auth.request(address, {
      method,
      body,
      headers: { ...headers, 'content-type': type },
      ...(cookie ? { cookie } : {}),
    })
  }
  const query = new URLSearchParams(rest as Record<string, string>)
  const text =
    method === 'GET'
      ? {}
      : { body: '{}', headers: { ...headers, 'content-type': 'application/json' } }
  return auth.request(`${address}?${query}`, { method, ...text, ...(cookie ? { cookie } : {}) })
}

/** Whether an answer signs anybody in: a session, a token, or an access token in its body. */
async function signsIn(answer: Response): Promise<string | null> {
  const cookies = cookiesOf(answer)
  if (/session_token|access_token/.test(cookies)) return cookies
  const text = await answer.text()
  return /"(access_token|accessToken|refresh_token|id_token)":"/.test(text) ? text : null
}

async function signInAgain(auth: TestAuth, email: string): Promise<string> {
  return cookiesOf(await auth.post('/sign-in/email', { email, password: TEST_PASSWORD }))
}

let staged: Stage

/** Thousands of requests; a busy machine takes its time. */
const LONG = { timeout: 900_000 }

test('promise 5: a stranger’s values do nothing at any endpoint but their own', LONG, async () => {
  staged = await stage()
  const { auth, collected } = staged
  let requests = 0
  const before = await facts()
  const send = async (here: string, { label, value }: Value, request: Request) => {
    const answer = await auth.handler(request)
    requests += 1
    const is = { signsIn: await signsIn(answer), is5xx: answer.status >= 500 }
    expect({ here, label, value, ...is }).toEqual({
      here,
      label,
      value,
      signsIn: null,
      is5xx: false,
    })
  }
  for (const [index, field] of endpointsOf(auth).entries()) {
    const here = `${field.method} ${field.path} ${field.name}`
    if (!REDEEMS.test(field.name)) continue
    const values = field.isUnnamed ? inTurn(collected.values, index) : collected.values
    for (const [turn, value] of values.entries()) {
      if (value.own.test(here)) continue
      await send(here, value, requestOf(staged, field, value.value))
      if (!value.isRow || field.isUnnamed) continue
      for (const name of otherNames(value, index + turn)) {
        await send(here, value, requestOf(staged, field, name))
      }
    }
    expect(`${here} ${await facts()}`).toBe(`${here} ${before}`)
  }
  // In every field at once where no field redeems anything by its name.
  for (const [index, endpoint] of endpointsOf(auth).entries()) {
    const { path, others } = endpoint
    const here = `${endpoint.method} ${path} *`
    if (endpoint.name !== others.find((name) => !REDEEMS.test(name))) continue
    // A password is compared for a fifth of a second, and is nothing that is redeemed.
    if (others.some((name) => /password/i.test(name))) continue
    for (const value of inTurn(collected.values, index)) {
      if (
        value.own.test(here) ||
        others.some((name) => value.own.test(`${here.slice(0, -1)}${name}`))
      )
        continue
      await send(here, value, requestOf(staged, endpoint, value.value, { isEverywhere: true }))
    }
    expect(`${here} ${await facts()}`).toBe(`${here} ${before}`)
  }
  expect(requests).toBeGreaterThan(4_000)
})

test('promise 5: nor with a session of one’s own', LONG, async () => {
  const { auth, collected } = staged
  const { userId } = collected.mallory
  let { cookie } = collected.mallory
  const before = await facts(userId)
  const values = collected.values.filter(({ isRow, label }) => isRow || /stored|signed/.test(label))
  for (const field of endpointsOf(auth)) {
    const here = `${field.method} ${field.path} ${field.name}`
    // A recent session deletes its own account, whatever else is sent; that ends the values of the account.
    if (!REDEEMS.test(field.name) || field.path === '/delete-user') continue
    for (const { value, own } of values) {
      if (!own.test(here)) await auth.handler(requestOf(staged, field, value, { cookie }))
    }
    const session = await auth.getSession(auth.request('/', { cookie }), { fresh: true })
    if (!session) cookie = await signInAgain(auth, collected.mallory.email)
    else expect({ here, userId: session.userId }).toEqual({ here, userId })
    expect(`${here} ${await facts(userId)}`).toBe(`${here} ${before}`)
  }
})

test(
  'promise 5: no value is good as a cookie of another name, or as a bearer token',
  LONG,
  async () => {
    const { auth, edge, collected } = staged
    const jwks = await (await auth.handler(auth.request('/api/auth/jwks'))).json()
    const requireScope = createRequireScope({ baseURL: TEST_ORIGIN, jwks: jwks as never })
    const before = await facts()
    const guards = async (label: string, headers: Record<string, string>) => {
      const ask = () => auth.request('/', { headers })
      const sessions = await Promise.all([
        auth.getSession(ask()),
        auth.getSession(ask(), { fresh: true }),
        edge.getSession(ask()),
      ])
      expect({ label, sessions }).toEqual({ label, sessions: [null, null, null] })
      await expect(requireScope(ask(), 'bookings:read')).rejects.toMatchObject({ status: 401 })
    }
    const endpoints = async (label: string, headers: Record<string, string>) => {
      const code = { method: 'POST', body: '{"code":"000000"}' }
      const probes: [string, { method?: string; body?: string }][] = [
        ['/get-session', {}],
        ['/list-sessions', {}],
        ['/access/refresh', { method: 'POST' }],
        ['/access/renew?next=/', {}],
        ['/two-factor/verify-totp', code],
        ['/two-factor/verify-backup-code', code],
        ['/passkey/verify-authentication', { method: 'POST', body: '{"response":{"id":"x"}}' }],
        [`/callback/github?code=x&state=${collected.state}x`, {}],
        ['/oauth2/userinfo', {}],
        ['/oauth2/end-session/confirm', { method: 'POST', body: 'action=confirm' }],
      ]
      for (const [path, { method, body }] of probes) {
        const type = body?.startsWith('{')
          ? 'application/json'
          : 'application/x-www-form-urlencoded'
        const answer = await auth.handler(
          auth.request(`/api/auth${path}`, {
            headers: { ...headers, origin: TEST_ORIGIN, ...(body ? { 'content-type': type } : {}) },
            ...(method ? { method } : {}),
            ...(body ? { body } : {}),
          }),
        )
        const isKnown = answer.ok && ['/list-sessions', '/oauth2/userinfo'].includes(path)
        const told = { label, path, isKnown, signsIn: await signsIn(answer) }
        expect(told).toEqual({ label, path, isKnown: false, signsIn: null })
      }
    }
    for (const { value, label, own } of collected.values) {
      const names = collected.cookieNames.filter((name) => !own.test(`cookie ${name}`))
      for (const name of names) await guards(`${label} as ${name}`, { cookie: `${name}=${value}` })
      await endpoints(`${label} as every cookie`, {
        cookie: names.map((name) => `${name}=${value}`).join('; '),
      })
      if (own.test('bearer')) continue
      await guards(`${label} as a bearer token`, { authorization: `Bearer ${value}` })
      await endpoints(`${label} as a bearer token`, { authorization: `Bearer ${value}` })
    }
    expect(await facts()).toBe(before)
  },
)

test('promise 5: after all that each value still works for its own purpose, once', async () => {
  const { auth, github, collected } = staged
  const post = async (path: string, body: object) => (await auth.post(path, body)).status
  const twice = async (path: string, body: object) => [
    await post(path, body),
    await post(path, body),
  ]
  expect(await twice('/confirm-email', { token: collected.confirmation })).toEqual([200, 400])
  expect(await twice('/sign-in/magic-link/confirm', { token: collected.link })).toEqual([200, 400])
  const reset = { token: collected.reset, newPassword: 'a battery of horses' }
  expect(await twice('/reset-password', reset)).toEqual([200, 400])
  github.profile = { id: 7, email: 'by-github@example.com', verified: true }
  expect(await twice('/change-email/undo', { token: collected.undone })).toEqual([200, 400])
  const { authorizationUrl, cookie } = collected.social
  const come = async () => {
    const atGitHub = await fetch(authorizationUrl, { redirect: 'manual' })
    const { pathname, search } = new URL(atGitHub.headers.get('location') ?? '')
    return auth.handler(auth.request(`${pathname}${search}`, { cookie }))
  }
  expect(cookiesOf(await come())).toContain('session_token')
  expect(cookiesOf(await come())).not.toContain('session_token')
  const exchange = {
    grant_type: 'authorization_code',
    client_id: collected.program.clientId,
    redirect_uri: OTHER_FIELDS.redirect_uri as string,
    code: collected.code,
    code_verifier: collected.asked.verifier,
  }
  const { token } = createPrograms(() => ({ auth, admin: '' }))
  expect((await token(exchange)).status).toBe(200)
  expect((await token(exchange)).access_token).toBeUndefined()
  await github.close()
  await auth.close()
})
