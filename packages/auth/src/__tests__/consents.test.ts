/** What a user takes back from a program, no code and no token that the program still holds brings back. */

import { atomically } from '@repo/db'
import { beforeAll, expect, test } from 'vitest'
import { waitForLock } from './locks.ts'
import { CALLBACK, createPrograms, RESOURCE } from './programs.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth({ oauth: { scopes: ['bookings:read', 'bookings:write'] } })
const SCOPES = ['openid', 'offline_access', 'bookings:read', 'bookings:write']
let admin = ''
let clientId = ''
const programs = createPrograms(() => ({ auth: setup.auth, admin }))
beforeAll(async () => {
  const boss = await setup.auth.signIn()
  await setup.db.user.update({ where: { id: boss.userId }, data: { role: 'ADMIN' } })
  admin = boss.cookie
  const app = { name: 'App', scopes: SCOPES, redirectUris: [CALLBACK], isConfidential: false }
  clientId = (await programs.make(app)).clientId
})

const consentOf = (userId: string) => setup.db.oauthConsent.findFirstOrThrow({ where: { userId } })
const withdraw = async ({ userId, cookie }: { userId: string; cookie: string }) => {
  const { id } = await consentOf(userId)
  const answer = await setup.auth.post('/oauth2/delete-consent', { id }, { cookie })
  expect(answer.status).toBe(200)
}
const narrow = async (who: { userId: string; cookie: string }, scopes: string[]) => {
  const { id } = await consentOf(who.userId)
  const answer = await setup.auth.post('/oauth2/update-consent', { id, update: { scopes } }, who)
  expect(answer.status).toBe(200)
}
/** A code for `scope`, with consent. */
async function codeFor(cookie: string, scope = SCOPES.join(' ')) {
  const { location, verifier } = await programs.authorize(clientId, cookie, { scope })
  const back = /[?&]code=/.test(location)
    ? new URL(location)
    : await programs.consent(location, cookie)
  return {
    grant_type: 'authorization_code',
    client_id: clientId,
    redirect_uri: CALLBACK,
    code: back.searchParams.get('code') ?? '',
    code_verifier: verifier,
    resource: RESOURCE,
  }
}
const tokensOf = (userId: string) => setup.db.oauthRefreshToken.count({ where: { userId } })
const REFUSED = { status: 400, error: 'invalid_grant' }

test.each([
  ['with a refresh token', SCOPES.join(' '), RESOURCE],
  ['for five minutes only', 'openid bookings:read', RESOURCE],
  ['of a program that names no resource', SCOPES.join(' '), ''],
])('a code %s does not work once the consent is withdrawn', async (_, scope, resource) => {
  const user = await setup.auth.signIn()
  const { resource: asked, ...code } = await codeFor(user.cookie, scope)
  await withdraw(user)
  const tokens = await programs.token(resource ? { ...code, resource: asked } : code)
  expect(tokens).toMatchObject(REFUSED)
  expect(tokens.access_token).toBeUndefined()
  expect(await tokensOf(user.userId)).toBe(0)
  expect(await setup.db.oauthAccessToken.count({ where: { userId: user.userId } })).toBe(0)
})

test('nor does it work under the next consent', async () => {
  const user = await setup.auth.signIn()
  const code = await codeFor(user.cookie)
  await withdraw(user)
  expect((await programs.token(await codeFor(user.cookie))).status).toBe(200)
  expect(await programs.token(code)).toMatchObject(REFUSED)
})

test.each([
  ['with a refresh token', SCOPES.join(' ')],
  ['for five minutes only', 'openid bookings:write'],
])('a code %s does not work once the consent lacks one of its scopes', async (_, scope) => {
  const user = await setup.auth.signIn()
  const code = await codeFor(user.cookie, scope)
  await narrow(user, ['openid', 'bookings:read'])
  expect(await programs.token(code)).toMatchObject(REFUSED)
  expect(await tokensOf(user.userId)).toBe(0)
})

test('removing a scope from a consent ends the refresh tokens with that scope, and no others', async () => {
  const user = await setup.auth.signIn()
  const wide = await programs.token(await codeFor(user.cookie))
  const slim = await programs.token(
    await codeFor(user.cookie, 'openid offline_access bookings:read'),
  )
  await narrow(user, ['openid', 'offline_access', 'bookings:read'])
  expect(await programs.refresh(clientId, wide.refresh_token)).toMatchObject(REFUSED)
  const next = await programs.refresh(clientId, slim.refresh_token)
  expect([next.status, next.scope]).toEqual([200, 'openid offline_access bookings:read'])
})

test.each(['exchange', 'refresh'])(
  'withdrawing a consent during the %s ends its tokens, too',
  async (what) => {
    const user = await setup.auth.signIn()
    const code = await codeFor(user.cookie)
    const first = what === 'refresh' ? await programs.token(code) : null
    const begin = () =>
      first ? programs.refresh(clientId, first.refresh_token) : programs.token(code)
    // Both wait for the same row, in this order.
    const pending: Promise<unknown>[] = []
    await atomically(setup.db, async (tx) => {
      await tx.$queryRaw`SELECT 1 FROM "OauthConsent" WHERE "userId" = ${user.userId} FOR UPDATE`
      pending.push(begin())
      await waitForLock(setup.db, 1)
      pending.push(withdraw(user))
      await waitForLock(setup.db, 2)
    })
    await Promise.all(pending)
    expect(await tokensOf(user.userId)).toBe(0)
  },
)

test.each(['exchange', 'refresh'])(
  'the %s gives no token while the consent is being withdrawn',
  async (what) => {
    const user = await setup.auth.signIn()
    const code = await codeFor(user.cookie)
    const first = what === 'refresh' ? await programs.token(code) : null
    let asked: ReturnType<typeof programs.token> | undefined
    await atomically(setup.db, async (tx) => {
      await tx.oauthConsent.deleteMany({ where: { userId: user.userId } })
      asked = first ? programs.refresh(clientId, first.refresh_token) : programs.token(code)
      await waitForLock(setup.db, 1)
    })
    expect(await asked).toMatchObject(REFUSED)
    expect(await tokensOf(user.userId)).toBe(0)
  },
)

test('two consents that two requests wrote at once are withdrawn as one', async () => {
  const user = await setup.auth.signIn()
  const { refresh_token } = await programs.token(await codeFor(user.cookie))
  const { id, ...consent } = await consentOf(user.userId)
  await setup.db.oauthConsent.create({ data: { ...consent, id: `second-${id}` } })
  await withdraw(user)
  expect(await setup.db.oauthConsent.count({ where: { userId: user.userId } })).toBe(0)
  expect((await programs.refresh(clientId, refresh_token)).status).toBe(400)
})

test('the database refuses a token beyond a consent, whoever writes it', async () => {
  const { userId, cookie } = await setup.auth.signIn()
  await programs.token(await codeFor(cookie, 'openid offline_access'))
  const token = {
    ...{ id: `t-${userId}`, token: `t-${userId}`, userId, clientId, scopes: ['bookings:write'] },
    ...{ expiresAt: new Date(Date.now() + 60_000), createdAt: new Date() },
  }
  await expect(setup.db.oauthRefreshToken.create({ data: token })).rejects.toMatchObject({
    code: 'P2003',
  })
  await expect(setup.db.oauthAccessToken.create({ data: token })).rejects.toMatchObject({
    code: 'P2003',
  })
  const scopes = { scopes: SCOPES }
  const widen = setup.db.oauthRefreshToken.updateMany({ where: { userId }, data: scopes })
  await expect(widen).rejects.toMatchObject({ code: 'P2003' })
})

test('a program that skips consent needs none', async () => {
  const user = await setup.auth.signIn()
  await setup.db.oauthClient.update({ where: { clientId }, data: { skipConsent: true } })
  const tokens = await programs.token(await codeFor(user.cookie))
  const next = await programs.refresh(clientId, tokens.refresh_token)
  await setup.db.oauthClient.update({ where: { clientId }, data: { skipConsent: false } })
  expect([tokens.status, next.status]).toEqual([200, 200])
})
