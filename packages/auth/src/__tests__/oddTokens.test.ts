/** Tokens that nobody issued, in every header and field that takes a token: each is refused, and none is an error of ours. */

import { createTestLogger } from '@repo/core/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestAuth, TEST_ORIGIN, type TestAuth } from '../testing.ts'
import { createPrograms } from './programs.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
const logger = createTestLogger()
let auth: TestAuth
let admin: string
let service: { clientId: string; clientSecret: string | null }
beforeAll(async () => {
  auth = createTestAuth({ db: setup.db, logger, oauth: { scopes: ['bookings:read'] } })
  const { cookie, userId } = await auth.signIn()
  await setup.db.user.update({ where: { id: userId }, data: { role: 'ADMIN' } })
  admin = cookie
  service = await createPrograms(() => ({ auth, admin })).make({ name: 'S', scopes: [] })
})
afterAll(() => auth.close())

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const claims = { iss: TEST_ORIGIN, sub: 'a', azp: 'a', aud: TEST_ORIGIN, exp: 4_102_444_800 }
const withHeader = (header: unknown) => `${part(header)}.${part(claims)}.c2ln`

const TOKENS: [string, string][] = [
  ['no algorithm', `${part({ alg: 'none' })}.${part(claims)}.`],
  ['an algorithm that nobody knows', withHeader({ alg: 'RS999', kid: 'a' })],
  ['an algorithm of secrets', withHeader({ alg: 'HS256' })],
  ['another key’s algorithm', withHeader({ alg: 'ES256', kid: 'a' })],
  ['an algorithm that is a number', withHeader({ alg: 7 })],
  ['no header', withHeader(null)],
  ['a header that is a list', withHeader([])],
  ['a critical extension', withHeader({ alg: 'EdDSA', crit: ['b64'], b64: false })],
  ['an unknown key', withHeader({ alg: 'EdDSA', kid: 'nobody' })],
  ['a key’s id that is an object', withHeader({ alg: 'EdDSA', kid: {} })],
  ['a form of five parts', 'eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0.a.b.c.d'],
  ['no JSON', 'e30x.e30x.e30x'],
  ['claims that are a list', `${part({ alg: 'EdDSA' })}.${part([])}.c2ln`],
  ['three dots and nothing else', '...'],
  ['two dots and nothing else', '..'],
  ['no dot', 'opaque'],
]

const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const form = (path: string, fields: Record<string, string>, headers = {}) =>
  auth.request(`/api/auth${path}`, {
    method: 'POST',
    headers: { ...FORM, ...headers },
    body: new URLSearchParams(fields).toString(),
  })
const basic = () => ({
  authorization: `Basic ${btoa(`${service.clientId}:${service.clientSecret}`)}`,
})
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

test.each(TOKENS)('a token with %s is unknown, wherever it is presented', async (_, token) => {
  const get = (path: string, headers = {}) => auth.request(`/api/auth${path}`, { headers })
  const asked = {
    'userinfo, header': get('/oauth2/userinfo', bearer(token)),
    'userinfo, form': form('/oauth2/userinfo', { access_token: token }, { origin: TEST_ORIGIN }),
    'userinfo, header of a form': form('/oauth2/userinfo', {}, bearer(token)),
    introspect: form('/oauth2/introspect', { token }, basic()),
    'introspect, refresh': form(
      '/oauth2/introspect',
      { token, token_type_hint: 'refresh_token' },
      basic(),
    ),
    revoke: form('/oauth2/revoke', { token }, basic()),
    'end-session': get(`/oauth2/end-session?id_token_hint=${encodeURIComponent(token)}`),
    'token, assertion': form('/oauth2/token', {
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: token,
    }),
    'token, refresh': form(
      '/oauth2/token',
      { grant_type: 'refresh_token', refresh_token: token },
      basic(),
    ),
    authorize: get(
      `/oauth2/authorize?response_type=code&client_id=${service.clientId}&request=${encodeURIComponent(token)}&id_token_hint=${encodeURIComponent(token)}`,
    ),
    'session, header': get('/get-session', bearer(token)),
    'session, cookie': auth.request('/api/auth/get-session', {
      cookie: `better-auth.session_token=${token}; access_token=${token}`,
    }),
  }
  const answers: Record<string, number> = {}
  for (const [name, request] of Object.entries(asked)) {
    answers[name] = (await auth.handler(request)).status
  }
  expect(answers).toEqual({
    'userinfo, header': 401,
    'userinfo, form': 401,
    'userinfo, header of a form': 401,
    introspect: 200,
    'introspect, refresh': 200,
    revoke: 200,
    'end-session': 400,
    'token, assertion': 400,
    'token, refresh': 400,
    authorize: 302,
    'session, header': 200,
    'session, cookie': 200,
  })
  expect(logger.entries.filter(({ level }) => level === 'error')).toEqual([])
})
