/**
 * The sign-in stand-ins: each promise of a strict provider, at every provider; what differs between them, as their public
 * documents say; and a certified client library that signs in without a word about stand-ins.
 */

import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose'
import * as client from 'openid-client'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { createOAuthSandbox } from '../index.ts'
import type { Running } from './harness.ts'
import { start } from './harness.ts'
import {
  ask,
  backOf,
  CALLBACK,
  CLIENT,
  choose,
  codeFor,
  exchange,
  PROVIDERS,
  startProviders,
  verifier,
} from './oauth-client.ts'

afterEach(() => void vi.useRealTimers())

const ERRORS = {
  github: { code: 'bad_verification_code', client: 'incorrect_client_credentials' },
  google: { code: 'invalid_grant', client: 'invalid_client' },
  microsoft: { code: 'invalid_grant', client: 'invalid_client' },
  oidc: { code: 'invalid_grant', client: 'invalid_client' },
}

test.each(PROVIDERS)('%s gives a code with the state, and tokens for the code', async (name) => {
  const running = await startProviders()
  const asked = ask(running, name)
  const page = await fetch(asked.url)
  expect(page.status).toBe(200)
  expect(await page.text()).toContain('Ada Lovelace')
  const back = backOf(await choose(asked.url, { person: 'ada' }))
  expect(`${back.origin}${back.pathname}`).toBe(CALLBACK)
  expect(back.searchParams.get('state')).toBe('a state')
  const code = back.searchParams.get('code') as string
  const { status, body } = await exchange(running, name, { code, code_verifier: asked.verifier })
  expect(status).toBe(200)
  expect(body).toMatchObject({ access_token: expect.any(String) })
})

test.each(PROVIDERS)('%s sends a person who cancels back with access_denied', async (name) => {
  const running = await startProviders()
  const back = backOf(await choose(ask(running, name).url, { refuse: 'yes' }))
  expect(back.searchParams.get('error')).toBe('access_denied')
  expect(back.searchParams.get('state')).toBe('a state')
  expect(back.searchParams.has('code')).toBe(false)
})

test.each(PROVIDERS)(
  '%s sends nobody to an address that is not registered, letter by letter',
  async (name) => {
    const running = await startProviders()
    for (const redirect of [
      'http://evil.example/',
      `${CALLBACK}/`,
      `${CALLBACK}?a=1`,
      `${CALLBACK}/../it`,
      CALLBACK.replace('localhost', 'LOCALHOST'),
      CALLBACK.replace('3000', '3001'),
      null,
    ]) {
      const { url } = ask(running, name, { redirect_uri: redirect })
      for (const answer of [await fetch(url), await choose(url, { person: 'ada' })]) {
        expect([redirect, answer.status, answer.headers.get('location')]).toEqual([
          redirect,
          400,
          null,
        ])
      }
    }
    const unknown = ask(running, name, { client_id: 'another' }).url
    expect((await choose(unknown, { person: 'ada' })).status).toBe(400)
    const twice = ask(running, name).url
    twice.searchParams.append('redirect_uri', 'http://evil.example/')
    expect((await choose(twice, { person: 'ada' })).status).toBe(400)
  },
)

test.each(PROVIDERS)('%s sends a faulty request back with its state', async (name) => {
  const running = await startProviders()
  for (const [change, error] of [
    [{ response_type: 'token' }, 'unsupported_response_type'],
    [{ prompt: 'none' }, 'interaction_required'],
    [{ code_challenge: 'short' }, 'invalid_request'],
    [{ code_challenge_method: 'S512' }, 'invalid_request'],
    [{ code_challenge: null }, 'invalid_request'],
  ] as const) {
    const answer = await fetch(ask(running, name, change).url, { redirect: 'manual' })
    const { searchParams } = backOf(answer)
    expect([change, searchParams.get('error')]).toEqual([change, error])
    expect(searchParams.get('state')).toBe('a state')
  }
})

test.each(PROVIDERS)(
  '%s takes a code once, and ends its tokens if it comes again',
  async (name) => {
    const running = await startProviders()
    const asked = ask(running, name)
    const code = await codeFor(asked, { person: 'ada' })
    const once = await exchange(running, name, { code, code_verifier: asked.verifier })
    const user = () =>
      fetch(running.oauthUrls[name] + USER[name], {
        headers: { authorization: `Bearer ${once.body.access_token}` },
      })
    expect((await user()).status).toBe(200)
    const again = await exchange(running, name, { code, code_verifier: asked.verifier })
    expect(again.body.error).toBe(ERRORS[name].code)
    expect(again.body.access_token).toBeUndefined()
    expect((await user()).status).toBe(401)
  },
)

const USER = {
  github: '/user',
  google: '/v1/userinfo',
  microsoft: '/oidc/userinfo',
  oidc: '/userinfo',
}

test.each(PROVIDERS)('%s binds a code to secret, address, verifier and time', async (name) => {
  const running = await startProviders()
  const { code: badCode, client: badClient } = ERRORS[name]
  const mismatch = name === 'github' || name === 'google' ? 'redirect_uri_mismatch' : badCode
  for (const [change, error] of [
    [{ client_secret: 'wrong' }, badClient],
    [{ client_secret: null }, badClient],
    [{ client_id: 'another' }, badClient],
    [{ redirect_uri: `${CALLBACK}/` }, mismatch],
    [{ redirect_uri: null }, mismatch],
    [{ code_verifier: verifier() }, badCode],
    [{ code_verifier: null }, badCode],
    [{ code: 'made up' }, badCode],
  ] as [Record<string, string | null>, string][]) {
    const asked = ask(running, name)
    const code = await codeFor(asked, { person: 'ada' })
    const sent = { code, code_verifier: asked.verifier, ...change }
    const { body } = await exchange(running, name, sent)
    expect([change, body.error]).toEqual([change, error])
    expect(body.access_token).toBeUndefined()
  }
  const asked = ask(running, name)
  const code = await codeFor(asked, { person: 'ada' })
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 601_000 })
  const late = await exchange(running, name, { code, code_verifier: asked.verifier })
  expect(late.body.error).toBe(badCode)
})

test.each(PROVIDERS)('%s refuses a verifier for a code without a challenge', async (name) => {
  const running = await startProviders()
  const asked = ask(running, name, { code_challenge: null, code_challenge_method: null })
  const stripped = await codeFor(asked, { person: 'ada' })
  const refused = await exchange(running, name, { code: stripped, code_verifier: verifier() })
  expect(refused.body.error).toBe(ERRORS[name].code)
  const code = await codeFor(asked, { person: 'ada' })
  expect((await exchange(running, name, { code })).body.access_token).toBeTruthy()
})

test('a page of another site chooses nobody', async () => {
  const running = await startProviders()
  const { url } = ask(running, 'google')
  const body = new URLSearchParams({ person: 'ada' })
  const headers = { origin: 'http://evil.example' }
  const answer = await fetch(url, { method: 'POST', body, headers, redirect: 'manual' })
  expect(answer.status).toBe(403)
})

test('GitHub answers as a form unless JSON is asked for, and refuses with 200', async () => {
  const running = await startProviders()
  const asked = ask(running, 'github')
  const code = await codeFor(asked, { person: 'ada' })
  const post = (accept: string, sent: string) =>
    fetch(`${running.oauthUrls.github}/login/oauth/access_token`, {
      method: 'POST',
      headers: { accept },
      body: new URLSearchParams({
        client_id: CLIENT.clientId,
        client_secret: CLIENT.clientSecret,
        code: sent,
        redirect_uri: CALLBACK,
        code_verifier: asked.verifier,
      }),
    })
  const form = await post('*/*', code)
  expect(form.headers.get('content-type')).toContain('application/x-www-form-urlencoded')
  const answered = Object.fromEntries(new URLSearchParams(await form.text()))
  expect(answered).toEqual({
    access_token: expect.stringMatching(/^gho_\w+$/),
    scope: 'read:user,user:email',
    token_type: 'bearer',
  })
  const refused = await post('application/json', 'made up')
  expect([refused.status, await refused.json()]).toEqual([
    200,
    {
      error: 'bad_verification_code',
      error_description: 'The code passed is incorrect or expired.',
      error_uri: expect.stringContaining('#bad-verification-code'),
    },
  ])
})

test('GitHub has the address at /user/emails only, for the scope, and wants a User-Agent', async () => {
  const running = await startProviders()
  const tokenFor = async (person: string, scope = 'read:user user:email') => {
    const asked = ask(running, 'github', { scope })
    const code = await codeFor(asked, { person })
    const { body } = await exchange(running, 'github', { code, code_verifier: asked.verifier })
    return `Bearer ${body.access_token}`
  }
  const get = async (path: string, authorization: string, more: Record<string, string> = {}) => {
    const headers = { authorization, ...more }
    const answer = await fetch(running.oauthUrls.github + path, { headers })
    return { status: answer.status, body: await answer.text() }
  }
  const ada = await tokenFor('ada')
  const profile = JSON.parse((await get('/user', ada)).body)
  expect(profile).toMatchObject({ id: expect.any(Number), login: 'ada-lovelace', email: null })
  expect(JSON.parse((await get('/user/emails', ada)).body)).toEqual([
    { email: 'ada@example.com', primary: true, verified: true, visibility: 'private' },
  ])
  expect(JSON.parse((await get('/user/emails', await tokenFor('mallory'))).body)).toMatchObject([
    { email: 'ada@example.com', verified: false },
  ])
  expect((await get('/user/emails', await tokenFor('alan'))).body).toBe('[]')
  expect((await get('/user/emails', await tokenFor('ada', 'read:user'))).status).toBe(404)
  expect((await get('/user', 'Bearer gho_made_up')).status).toBe(401)
  expect((await get('/user', ada, { 'user-agent': '' })).status).toBe(403)
})

/** The id token of a sign-in, verified with the published keys. */
async function idTokenOf(
  running: Running,
  name: 'google' | 'microsoft' | 'oidc',
  fields: Record<string, string>,
  change: Record<string, string> = {},
) {
  const asked = ask(running, name, { nonce: 'n-1', ...change })
  const code = await codeFor(asked, fields)
  const { body } = await exchange(running, name, { code, code_verifier: asked.verifier })
  const path = {
    google: '/oauth2/v3/certs',
    microsoft: '/common/discovery/v2.0/keys',
    oidc: '/jwks',
  }
  const keys = (await (await fetch(running.oauthUrls[name] + path[name])).json()) as never
  const { payload } = await jwtVerify(String(body.id_token), createLocalJWKSet(keys), {
    audience: CLIENT.clientId,
    algorithms: ['RS256'],
  })
  return { payload, body }
}

test('Google’s id token has Google’s issuer, sub, verified address, hd and at_hash', async () => {
  const running = await startProviders()
  const { payload, body } = await idTokenOf(running, 'google', { person: 'grace' })
  const half = createHash('sha256').update(String(body.access_token)).digest().subarray(0, 16)
  expect(payload).toMatchObject({
    iss: 'https://accounts.google.com',
    azp: CLIENT.clientId,
    aud: CLIENT.clientId,
    sub: expect.stringMatching(/^\d{21}$/),
    email: 'grace@acme.example',
    email_verified: true,
    hd: 'acme.example',
    name: 'Grace Hopper',
    given_name: 'Grace',
    family_name: 'Hopper',
    nonce: 'n-1',
    at_hash: half.toString('base64url'),
  })
  expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 3599 })
  expect(body.scope).toContain('https://www.googleapis.com/auth/userinfo.email')
  expect(body.refresh_token).toBeUndefined()
  const privately = await idTokenOf(
    running,
    'google',
    { person: 'ada' },
    { access_type: 'offline' },
  )
  expect(privately.payload.hd).toBeUndefined()
  expect(privately.body.refresh_token).toBeTruthy()
  const page = await (await fetch(ask(running, 'google', { hd: 'acme.example' }).url)).text()
  expect([page.includes('Grace'), page.includes('Ada'), page.includes('Alan')]).toEqual([
    true,
    false,
    false,
  ])
})

test('Microsoft’s issuer names the account’s tenant, and xms_edov alone vouches for an address', async () => {
  const running = await startProviders()
  const ada = (await idTokenOf(running, 'microsoft', { person: 'ada' })).payload
  expect(ada).toMatchObject({
    iss: 'https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0',
    tid: '9188040d-6c67-4c5b-b112-36a304b66dad',
    ver: '2.0',
    preferred_username: 'ada@example.com',
    email: 'ada@example.com',
    xms_edov: true,
    nonce: 'n-1',
  })
  expect(ada.oid).not.toBe(ada.sub)
  for (const absent of ['email_verified', 'at_hash']) expect(ada).not.toHaveProperty(absent)
  const mallory = (await idTokenOf(running, 'microsoft', { person: 'mallory' })).payload
  expect(mallory).toMatchObject({ email: 'ada@example.com', xms_edov: false })
  expect(mallory.tid).not.toBe(ada.tid)
  expect(mallory.iss).toBe(`https://login.microsoftonline.com/${mallory.tid}/v2.0`)
  const alan = (await idTokenOf(running, 'microsoft', { person: 'alan' })).payload
  expect(alan).not.toHaveProperty('email')
  expect(alan.preferred_username).toBeTruthy()
})

test('a directory of Microsoft admits its own accounts, and a code of another directory is unknown', async () => {
  const running = await startProviders()
  const asked = ask(running, 'microsoft')
  const at = (tenant: string) => new URL(asked.url.href.replace('/common/', `/${tenant}/`))
  const shows = async (tenant: string) => {
    const page = await (await fetch(at(tenant))).text()
    return ['Ada', 'Grace'].filter((name) => page.includes(name))
  }
  expect(await shows('organizations')).toEqual(['Grace'])
  expect(await shows('consumers')).toEqual(['Ada'])
  const code = await codeFor({ ...asked, url: at('acme') }, { person: 'grace' })
  const { body } = await exchange(running, 'microsoft', { code, code_verifier: asked.verifier })
  expect(body).toMatchObject({ error: 'invalid_grant', error_codes: [9002313] })
})

test('another person is typed in, is the same one after a restart, and who only claims an address is not its owner', async () => {
  const root = await mkdtemp(join(tmpdir(), 'sandbox-oauth-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  const oauth = { clients: { oidc: CLIENT } }
  const stateFile = join(root, 'state.json')
  const first = await start({ oauth, stateFile })
  const typed = { name: 'Kurt', email: 'Kurt@Example.com', verified: 'on' }
  const { payload } = await idTokenOf(first, 'oidc', typed)
  expect(payload).toMatchObject({ name: 'Kurt', email: 'kurt@example.com', email_verified: true })
  const { verified: _, ...unverified } = typed
  const other = (await idTokenOf(first, 'oidc', unverified)).payload
  expect(other).toMatchObject({ email: 'kurt@example.com', email_verified: false })
  expect(other.sub).not.toBe(payload.sub)
  await first.sandbox.stop()

  const second = await start({ oauth, stateFile })
  expect(await (await fetch(ask(second, 'oidc').url)).text()).toContain('kurt@example.com')
  const again = (await idTokenOf(second, 'oidc', { person: 'kurt@example.com' })).payload
  expect(again.sub).toBe(payload.sub)
  for (const fields of [{ email: 'not an address' }, { name: '' }, { name: 'x'.repeat(201) }]) {
    const answer = await choose(ask(second, 'oidc').url, fields as Record<string, string>)
    expect([answer.status, answer.headers.get('location')]).toEqual([400, null])
  }
})

test('a hint comes first, and an unknown one is filled in', async () => {
  const running = await startProviders()
  const known = { login_hint: 'grace@acme.example', prompt: 'select_account' }
  const page = await (await fetch(ask(running, 'google', known).url)).text()
  expect(page.indexOf('Grace')).toBeLessThan(page.indexOf('Ada'))
  const unknown = await (
    await fetch(ask(running, 'google', { login_hint: 'new@example.com' }).url)
  ).text()
  expect(unknown).toContain('value="new@example.com"')
})

test('a provider without a client refuses every request, and one that is down answers 503', async () => {
  const running = await start()
  expect((await fetch(ask(running, 'google').url)).status).toBe(400)
  const control = (path: string) =>
    fetch(`${running.url}/controls/oauth/${path}`, { method: 'POST' })
  expect(await (await control('google/down')).json()).toEqual({ provider: 'google', isDown: true })
  expect((await fetch(ask(running, 'google').url)).status).toBe(503)
  expect((await fetch(ask(running, 'github').url)).status).toBe(400)
  await control('google/up')
  expect((await fetch(ask(running, 'google').url)).status).toBe(400)
  expect((await control('yahoo/down')).status).toBe(404)
})

test('credentials in the header count, and never beside those in the form', async () => {
  const running = await startProviders()
  const basic = `Basic ${Buffer.from('acme:a+secret').toString('base64')}`
  const attempt = async (fields: Record<string, string | null>) => {
    const asked = ask(running, 'oidc')
    const code = await codeFor(asked, { person: 'ada' })
    const sent = { code, code_verifier: asked.verifier, ...fields }
    return (await exchange(running, 'oidc', sent, { authorization: basic })).body
  }
  expect((await attempt({ client_secret: null })).access_token).toBeTruthy()
  expect((await attempt({})).error).toBe('invalid_request')
})

test('a public client needs a challenge, and its refresh token is of no use to another client', async () => {
  const oidc = { clientId: 'spa', redirectUris: [CALLBACK] }
  const running = await start({ oauth: { clients: { oidc, google: CLIENT } } })
  const without = { client_id: 'spa', code_challenge: null, code_challenge_method: null }
  const answer = await fetch(ask(running, 'oidc', without).url, { redirect: 'manual' })
  expect(backOf(answer).searchParams.get('error')).toBe('invalid_request')
  const asked = ask(running, 'oidc', { client_id: 'spa', scope: 'openid offline_access' })
  const code = await codeFor(asked, { person: 'ada' })
  const spa = { client_id: 'spa', client_secret: null }
  const { body } = await exchange(running, 'oidc', { code, code_verifier: asked.verifier, ...spa })
  const refresh = { grant_type: 'refresh_token', refresh_token: String(body.refresh_token) }
  const renewed = await exchange(running, 'oidc', { ...refresh, ...spa })
  expect(renewed.body.access_token).not.toBe(body.access_token)
  expect(decodeJwt(String(renewed.body.id_token)).sub).toBe(decodeJwt(String(body.id_token)).sub)
  expect((await exchange(running, 'google', refresh)).body.error).toBe('invalid_grant')
})

test('a certified client signs in at the OpenID Connect provider by its discovery', async () => {
  const running = await startProviders()
  const config = await client.discovery(
    new URL(running.oauthUrls.oidc),
    CLIENT.clientId,
    CLIENT.clientSecret,
    undefined,
    { execute: [client.allowInsecureRequests] },
  )
  await signInWith(config, 'openid email profile')
})

test('a certified client signs in at Google and at a tenant of Microsoft by their documents', async () => {
  const running = await startProviders()
  for (const path of ['/google', '/microsoft/acme/v2.0']) {
    const answer = await fetch(`${running.url}${path}/.well-known/openid-configuration`)
    const metadata = (await answer.json()) as client.ServerMetadata
    const config = new client.Configuration(metadata, CLIENT.clientId, CLIENT.clientSecret)
    client.allowInsecureRequests(config)
    client.enableNonRepudiationChecks(config)
    await signInWith(config, 'openid email profile')
  }
})

/** The whole flow by the library, which checks state, nonce, issuer, audience, signature and at_hash. */
async function signInWith(config: client.Configuration, scope: string): Promise<void> {
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const [expectedState, expectedNonce] = [client.randomState(), client.randomNonce()]
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK,
    scope,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
    nonce: expectedNonce,
  })
  const back = backOf(await choose(url, { person: 'ada' }))
  const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true }
  const tokens = await client.authorizationCodeGrant(config, back, checks)
  const sub = tokens.claims()?.sub as string
  const user = await client.fetchUserInfo(config, tokens.access_token, sub)
  expect(user).toMatchObject({ sub, name: 'Ada Lovelace' })
}

test('a single stand-in answers without a server', async () => {
  const oauth = createOAuthSandbox({ clients: { google: CLIENT } })
  const url = `http://127.0.0.1/google/o/oauth2/v2/auth?client_id=acme&redirect_uri=${encodeURIComponent(CALLBACK)}&response_type=code&scope=openid`
  expect((await oauth.fetch(new Request(url))).status).toBe(200)
  expect(oauth.people.map(({ id }) => id)).toEqual(['ada', 'grace', 'mallory', 'alan'])
})
