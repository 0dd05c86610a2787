/** An administrator takes an account back from a thief, who has registered and changed programs with it. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { endAccess } from '../account/end-access.ts'
import { createTestAuth, TEST_PASSWORD, type TestAuth, tokenOf } from '../testing.ts'
import { waitForLock } from './locks.ts'
import { CALLBACK, createPrograms, RESOURCE } from './programs.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
let auth: TestAuth
let admin: string
beforeAll(() => {
  auth = createTestAuth({ db: setup.db, oauth: { scopes: ['bookings:write'] } })
})
afterAll(async () => {
  await auth.settled()
  await auth.close()
})
const { make, token, authorize } = createPrograms(() => ({ auth, admin }))

const DAY_MS = 86_400_000

async function administrator() {
  const { cookie, userId } = await auth.signIn()
  await setup.db.user.update({ where: { id: userId }, data: { role: 'ADMIN' } })
  admin = cookie
  return userId
}
const service = () => make({ name: 'Mine', scopes: ['bookings:write'] })
type Keys = Awaited<ReturnType<typeof service>>

/** What a program is answered that asks for a token. */
const asked = async ({ clientId, clientSecret }: Keys) => {
  const grant = {
    grant_type: 'client_credentials',
    scope: 'bookings:write',
    resource: RESOURCE,
  }
  const given = await token(grant, [clientId, clientSecret])
  return given.error ?? given.status
}

/** As if the programs had been registered two days ago, and left alone since then. */
async function age(...programs: Keys[]): Promise<void> {
  const then = new Date(Date.now() - 2 * DAY_MS)
  for (const { clientId } of programs) {
    await setup.db.oauthClient.update({
      where: { clientId },
      data: { createdAt: then, updatedAt: then },
    })
  }
}

/** A thief asks for another address, and the owner takes that back. */
async function takeBack(): Promise<void> {
  const body = { newEmail: 'thief@example.com', password: TEST_PASSWORD }
  expect((await auth.post('/change-email', body, { cookie: admin })).status).toBe(200)
  await auth.settled()
  const undone = await auth.post('/change-email/undo', {
    token: tokenOf(auth.outbox, 'AddressChangeEmail'),
  })
  expect(undone.status).toBe(200)
}
const entriesOf = (userId: string) =>
  setup.db.auditLog.findMany({
    where: { userId, detail: { path: ['reason'], equals: 'email_change_undone' } },
    select: { action: true, detail: true },
    orderBy: { id: 'asc' },
  })

test('an undo deletes programs that were registered since the change, and keeps unchanged older programs', async () => {
  const userId = await administrator()
  const old = await service()
  await age(old)
  const theirs = await service()
  const phone = await make({
    ...{ name: 'Phone', scopes: ['bookings:write'], redirectUris: [CALLBACK] },
    isConfidential: false,
  })
  expect([await asked(old), await asked(theirs)]).toEqual([200, 200])
  await takeBack()
  expect([await asked(old), await asked(theirs)]).toEqual([200, 'invalid_client'])
  const { cookie } = await auth.signIn()
  const { location } = await authorize(phone.clientId, cookie, { scope: 'bookings:write' })
  expect(location).toContain('error=invalid_client')
  const reason = 'email_change_undone'
  expect(await entriesOf(userId)).toEqual(
    expect.arrayContaining(
      [theirs, phone].map(({ clientId: to }) => ({
        action: 'program_deleted',
        detail: { to, reason },
      })),
    ),
  )
  expect(await entriesOf(userId)).toHaveLength(2)
})

test('an undo disables an older program whose secret or addresses were changed since', async () => {
  const userId = await administrator()
  const own = await service()
  const app = await make({ name: 'App', scopes: ['bookings:write'], redirectUris: [CALLBACK] })
  await age(own, app)
  const rotated = await auth.post(
    '/oauth2/client/rotate-secret',
    { client_id: own.clientId },
    { cookie: admin },
  )
  const { client_secret: clientSecret } = (await rotated.json()) as { client_secret: string }
  const stolen = { ...own, clientSecret }
  const update = { redirect_uris: [CALLBACK, 'https://evil.example/callback'] }
  const body = { client_id: app.clientId, update }
  expect((await auth.post('/oauth2/update-client', body, { cookie: admin })).status).toBe(200)
  expect(await asked(stolen)).toBe(200)
  await takeBack()
  expect(await asked(stolen)).toBe('invalid_client')
  const rows = await setup.db.oauthClient.findMany({ where: { userId } })
  expect(rows.map(({ disabled }) => disabled)).toEqual([true, true])
  const entries = await entriesOf(userId)
  expect(entries.map(({ action }) => action)).toEqual(['program_disabled', 'program_disabled'])
})

test('an undo leaves programs of other people and of the host alone', async () => {
  const hosts = { id: 'host', clientId: 'host', createdAt: new Date(), updatedAt: new Date() }
  await setup.db.oauthClient.create({ data: hosts })
  await administrator()
  const others = await service()
  await administrator()
  await takeBack()
  expect(await asked(others)).toBe(200)
  expect(await setup.db.oauthClient.count({ where: { clientId: 'host', disabled: false } })).toBe(1)
})

test('registering or changing a program, or replacing its secret, sends its owner a mail', async () => {
  const userId = await administrator()
  const { email } = await setup.db.user.findUniqueOrThrow({ where: { id: userId } })
  const { clientId: client_id } = await service()
  const update = { client_name: 'Yours' }
  await auth.post('/oauth2/update-client', { client_id, update }, { cookie: admin })
  await auth.post('/oauth2/client/rotate-secret', { client_id }, { cookie: admin })
  await auth.settled()
  const alerts = auth.outbox
    .to(email)
    .filter(({ template }) => template === 'SecurityAlertEmail')
    .map(({ subject }) => subject)
  expect(alerts.sort()).toEqual([
    'A program of your account was changed',
    'A program was registered with your account',
    'The secret of a program of your account was replaced',
  ])
})

test.each([
  ['/oauth2/create-client', { client_name: 'Late', redirect_uris: [CALLBACK] }],
  ['/oauth2/client/rotate-secret', {}],
  ['/oauth2/update-client', { update: { client_name: 'Late' } }],
])('%s that is under way when access ends writes nothing afterwards', async (path, more) => {
  const userId = await administrator()
  const { clientId: client_id } = await service()
  const rows = () => setup.db.oauthClient.findMany({ where: { userId } })
  const before = await rows()
  let answer: Promise<Response> | undefined
  await setup.db.$transaction(
    async (tx) => {
      await tx.$queryRaw`SELECT 1 FROM "User" WHERE "id" = ${userId} FOR UPDATE`
      const body = path === '/oauth2/create-client' ? more : { client_id, ...more }
      answer = auth.post(path, body, { cookie: admin })
      await waitForLock(setup.db, 1)
      await endAccess(tx, userId)
    },
    { timeout: 120_000 },
  )
  expect((await answer)?.status).toBe(400)
  expect(await rows()).toEqual(before)
})
