/** Whatever is written for a user is written before the end of access, which takes it along, or not at all. */

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Db } from '@repo/db'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { endSessions } from '../account/rows.ts'
import { FREELY_CHANGED, isChangeGuarded, userOfNew } from '../database/guarded-models.ts'
import { storedPrefix } from '../database/verification.ts'
import {
  cookiesOf,
  createTestAuth,
  TEST_ORIGIN,
  TEST_PASSWORD,
  type TestAuth,
  tokenOf,
} from '../testing.ts'
import { codeOf } from './authenticator.ts'
import { createDevice } from './device.ts'
import { waitForLock } from './locks.ts'
import { personWithFactor } from './people.ts'
import { CALLBACK, createPrograms } from './programs.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
const SCOPES = ['openid', 'offline_access', 'bookings:read', 'bookings:write']
let auth: TestAuth
let admin: string
beforeAll(async () => {
  auth = createTestAuth({ db: setup.db, twoFactor: true, oauth: { scopes: SCOPES.slice(2) } })
  admin = (await administrator()).cookie
})
afterAll(async () => {
  await auth.settled()
  await auth.close()
})
const programs = createPrograms(() => ({ auth, admin }))

async function administrator() {
  const person = await auth.signIn()
  await setup.db.user.update({ where: { id: person.userId }, data: { role: 'ADMIN' } })
  return person
}

/** Ends all access of the user once `work` waits for what `hold` has locked. */
async function overtaken<T>(
  userId: string,
  work: () => Promise<T>,
  hold = (tx: Db): Promise<unknown> =>
    tx.$queryRaw`SELECT 1 FROM "User" WHERE "id" = ${userId} FOR UPDATE`,
): Promise<PromiseSettledResult<T>> {
  let answer: Promise<PromiseSettledResult<T>[]> | undefined
  await setup.db.$transaction(
    async (tx) => {
      await hold(tx)
      answer = Promise.allSettled([work()])
      await waitForLock(setup.db, 1)
      await endSessions(tx, userId)
    },
    { timeout: 120_000 },
  )
  return (await answer)?.[0] as PromiseSettledResult<T>
}

const REFUSED = { status: 'fulfilled', value: expect.objectContaining({ status: 401 }) }
/** RFC 6749, 5.2. */
const REFUSED_BY_OAUTH = { status: 'fulfilled', value: expect.objectContaining({ status: 400 }) }

test('promise 5: a sign-in that is under way when access ends leaves no pending sign-in', async () => {
  const { email, userId, secret } = await personWithFactor(auth)
  const signIn = () => auth.post('/sign-in/email', { email, password: TEST_PASSWORD })
  // The password and the session of the sign-in have passed, and the challenge is written next.
  const hold = (tx: Db) => tx.$executeRaw`LOCK TABLE "VerificationToken" IN SHARE MODE`
  const answer = await overtaken(userId, signIn, hold)
  expect(answer).toEqual(REFUSED)
  expect(await setup.db.verificationToken.count({ where: { value: userId } })).toBe(0)
  const cookie = cookiesOf((answer as PromiseFulfilledResult<Response>).value)
  const code = await codeOf(secret, 0)
  expect((await auth.post('/two-factor/verify-totp', { code }, { cookie })).status).toBe(401)
  expect(await setup.db.session.count({ where: { userId } })).toBe(0)
})

test('promise 5: a request that is under way when access ends registers no program', async () => {
  const { userId, cookie } = await administrator()
  const answer = await overtaken(userId, () =>
    programs.make({ name: 'P', scopes: ['bookings:write'] }, cookie),
  )
  expect(answer).toMatchObject({ status: 'rejected', reason: { body: { code: 'access_ended' } } })
  expect(await setup.db.oauthClient.count({ where: { userId } })).toBe(0)
})

test('promise 5: a request that is under way when access ends replaces no program’s secret', async () => {
  const { userId, cookie } = await administrator()
  const { clientId } = await programs.make({ name: 'P', scopes: ['bookings:write'] }, cookie)
  const before = await setup.db.oauthClient.findFirstOrThrow({ where: { clientId } })
  const body = { client_id: clientId }
  const replace = () => auth.post('/oauth2/client/rotate-secret', body, { cookie })
  expect(await overtaken(userId, replace)).toEqual(REFUSED_BY_OAUTH)
  expect(await setup.db.oauthClient.findFirstOrThrow({ where: { clientId } })).toEqual(before)
})

test('promise 5: a request that is under way when access ends widens no consent', async () => {
  const client = { name: 'P', scopes: SCOPES, redirectUris: [CALLBACK], isConfidential: false }
  const { clientId } = await programs.make(client)
  const { userId, cookie } = await auth.signIn()
  const first = await programs.authorize(clientId, cookie, { scope: 'openid' })
  await programs.consent(first.location, cookie)
  const wide = await programs.authorize(clientId, cookie, { scope: SCOPES.join(' ') })
  const oauth_query = new URL(wide.location, TEST_ORIGIN).search.slice(1)
  const widen = () => auth.post('/oauth2/consent', { accept: true, oauth_query }, { cookie })
  expect(await overtaken(userId, widen)).toEqual(REFUSED_BY_OAUTH)
  const consent = await setup.db.oauthConsent.findFirstOrThrow({ where: { userId } })
  expect(consent.scopes).toEqual(['openid'])
})

test('promise 5: a request that is under way when access ends removes no way in', async () => {
  const { userId, cookie } = await auth.signIn()
  expect((await createDevice(auth).register(cookie)).status).toBe(200)
  const { id } = await setup.db.passkey.findFirstOrThrow({ where: { userId } })
  const remove = () => auth.post('/passkey/delete-passkey', { id }, { cookie })
  expect(await overtaken(userId, remove)).toEqual(REFUSED)
  const { id: accountId } = await setup.db.account.findFirstOrThrow({ where: { userId } })
  const again = cookiesOf(
    await auth.post('/sign-in/email', {
      email: (await setup.db.user.findUniqueOrThrow({ where: { id: userId } })).email,
      password: TEST_PASSWORD,
    }),
  )
  const unlink = () => auth.post('/unlink-account', { accountId }, { cookie: again })
  expect(await overtaken(userId, unlink)).toEqual(REFUSED)
  expect(await setup.db.passkey.count({ where: { userId } })).toBe(1)
  expect(await setup.db.account.count({ where: { userId } })).toBe(1)
})

/** A link was mailed to the address; its use waits while the account gets another address. */
async function afterMove(
  { userId, email, cookie }: { userId: string; email: string; cookie: string },
  use: () => Promise<Response>,
): Promise<[moved: number, used: number]> {
  const body = { newEmail: `new-${email}`, password: TEST_PASSWORD }
  await auth.post('/change-email', body, { cookie })
  await auth.settled()
  const token = tokenOf(auth.outbox, 'NewAddressEmail')
  let answers: Promise<Response>[] = []
  await setup.db.$transaction(
    async (tx) => {
      await tx.$queryRaw`SELECT 1 FROM "User" WHERE "id" = ${userId} FOR UPDATE`
      answers = [auth.post('/change-email/confirm', { token }, { cookie })]
      await waitForLock(setup.db, 1)
      answers.push(use())
      await waitForLock(setup.db, 2)
    },
    { timeout: 120_000 },
  )
  const [moved, used] = await Promise.all(answers)
  return [moved?.status as number, used?.status as number]
}

test('promise 5: during a change of address the former mailbox cannot choose a password', async () => {
  const person = await auth.signIn()
  await auth.post('/request-password-reset', { email: person.email })
  await auth.settled()
  const token = tokenOf(auth.outbox, 'PasswordResetEmail')
  const where = { userId: person.userId }
  const before = await setup.db.account.findFirstOrThrow({ where })
  const newPassword = 'another long password'
  const reset = () => auth.post('/reset-password', { token, newPassword })
  expect(await afterMove(person, reset)).toEqual([200, 401])
  expect(await setup.db.account.findFirstOrThrow({ where })).toEqual(before)
  expect(await setup.db.session.count({ where })).toBe(1)
})

test('promise 5: during a change of address the former mailbox gets no session', async () => {
  const person = await auth.signIn()
  await auth.post('/sign-in/magic-link', { email: person.email })
  await auth.settled()
  const token = tokenOf(auth.outbox, 'MagicLinkEmail')
  const signIn = () => auth.post('/sign-in/magic-link/confirm', { token })
  expect(await afterMove(person, signIn)).toEqual([200, 401])
  expect(await setup.db.session.count({ where: { userId: person.userId } })).toBe(1)
})

/** Rows of a user that our own code writes, under the lock on the user's row and with `requireAccess`. */
const OURS = ['EmailChange', 'LastOrganization', 'UserDeletion']
const SCHEMA = join(import.meta.dirname, '../../../../prisma/schema')

/** The models of the database that belong to a user, each with the column. */
async function modelsOfUsers(): Promise<[model: string, column: string][]> {
  const files = await readdir(SCHEMA)
  const text = (await Promise.all(files.map((file) => readFile(join(SCHEMA, file), 'utf8')))).join()
  return [...text.matchAll(/^model (\w+) \{$(.*?)^\}$/gms)].flatMap(([, model = '', body = '']) =>
    [...body.matchAll(/\bUser\?? +@relation\(.*?fields: \[(\w+)\]/g)].map(
      ([, column = '']): [string, string] => [model, column],
    ),
  )
}

test('every model with a user is guarded, or excepted with a reason', async () => {
  const models = await modelsOfUsers()
  expect(models.length).toBeGreaterThan(10)
  const free = models.filter(([model, column]) => {
    const name = `${model[0]?.toLowerCase()}${model.slice(1)}`
    const isMade = userOfNew(name, { [column]: 'somebody' }) === null
    return !OURS.includes(model) && (isMade || !isChangeGuarded(name))
  })
  expect(free.map(([model]) => model).sort()).toEqual([
    'Invitation',
    'Member',
    'OauthAccessToken',
    'OauthRefreshToken',
    'Session',
  ])
  for (const reason of Object.values(FREELY_CHANGED)) expect(reason).toMatch(/^[A-Z].*\.$/)
})

test('a verification row belongs to the user for whom it begins something', () => {
  const of = (identifier: string, value: unknown) =>
    userOfNew('verification', { identifier, value })
  const challenge = `${storedPrefix('second-factor-challenge')}x`
  expect(of(challenge, 'user-1')).toBe('user-1')
  expect(of('code', '{"userId":"user-1","query":{}}')).toBe('user-1')
  expect(of('state', '{"link":{"userId":"user-1"}}')).toBe('user-1')
  expect([of('state', '{}'), of('state', '{'), of('state', null)]).toEqual([null, null, null])
  expect(of(`${storedPrefix('password-reset')}x`, 'user-1')).toBeNull()
})
