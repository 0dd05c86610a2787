/**
 * Requests at once, more than the pool has connections. A transaction that waits for a second connection waits for
 * others of its kind, which wait for it.
 */

import { createDb, type Database } from '@repo/db'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestAuth, TEST_PASSWORD, type TestAuth } from '../testing.ts'
import { CALLBACK, createPrograms } from './programs.ts'
import { setUpAuth } from './setup.ts'

const options = { oauth: { scopes: ['bookings:read'] }, twoFactor: true }
const setup = setUpAuth(options)
const CONNECTIONS = 3
const AT_ONCE = 8

let db: Database
let auth: TestAuth
beforeAll(() => {
  db = createDb(setup.url, { maxConnections: CONNECTIONS })
  auth = createTestAuth({ db, ...options })
})
afterAll(async () => {
  await auth.settled()
  await auth.close()
  await db.$disconnect()
})

interface Person {
  n: number
  email: string
  cookie: string
  userId: string
}
type Send = () => Promise<Response>

/** The token in the last mail of a template to an address. */
async function tokenTo(template: string, email: string): Promise<string> {
  await setup.auth.settled()
  const mail = setup.auth.outbox.to(email).findLast((each) => each.template === template)
  return /[?&]token=([^\s&]+)/.exec(mail?.text ?? '')?.[1] ?? ''
}

async function signedUp({ n }: Person): Promise<string> {
  const email = `new-${n}@example.com`
  await setup.auth.post('/sign-up/email', { name: 'Ada', email, password: TEST_PASSWORD })
  return tokenTo('WelcomeEmail', email)
}

async function changed({ n, email, cookie }: Person) {
  const newEmail = `moved-${n}@example.com`
  await setup.auth.post('/change-email', { newEmail, password: TEST_PASSWORD }, { cookie })
  const token = await tokenTo('NewAddressEmail', newEmail)
  return { token, undo: await tokenTo('AddressChangeEmail', email) }
}

const { make, grant } = createPrograms(() => ({ auth: setup.auth, admin }))
let admin = ''

/** What each person has to send, with what is prepared before. */
const REQUESTS: { [what: string]: (person: Person) => Promise<Send> } = {
  'a sign-up': async ({ n }) => {
    const body = { name: 'Eve', email: `eve-${n}@example.com`, password: TEST_PASSWORD }
    return () => auth.post('/sign-up/email', body)
  },
  'a confirmation with a password': async (person) => {
    const token = await signedUp(person)
    return () => auth.post('/confirm-email', { token, password: TEST_PASSWORD }, { cookie: 'a=1' })
  },
  'a confirmation without a password': async (person) => {
    const token = await signedUp(person)
    return () => auth.post('/confirm-email', { token }, { cookie: 'a=1' })
  },
  'a sign-in': async ({ email }) => {
    return () => auth.post('/sign-in/email', { email, password: TEST_PASSWORD })
  },
  'a mailed sign-in': async ({ email }) => {
    await setup.auth.post('/sign-in/magic-link', { email })
    const token = await tokenTo('MagicLinkEmail', email)
    return () => auth.post('/sign-in/magic-link/confirm', { token })
  },
  'a reset': async ({ email }) => {
    await setup.auth.post('/request-password-reset', { email })
    const token = await tokenTo('PasswordResetEmail', email)
    return () => auth.post('/reset-password', { token, newPassword: 'another long password' })
  },
  'a changed password': async ({ cookie }) => {
    const body = { currentPassword: TEST_PASSWORD, newPassword: 'another long password' }
    return () => auth.post('/change-password', body, { cookie })
  },
  'a second factor': async ({ cookie }) => {
    return () => auth.post('/two-factor/enable', { password: TEST_PASSWORD }, { cookie })
  },
  'a change of address': async ({ n, cookie }) => {
    const body = { newEmail: `to-${n}@example.com`, password: TEST_PASSWORD }
    return () => auth.post('/change-email', body, { cookie })
  },
  'a confirmed change of address': async (person) => {
    const { token } = await changed(person)
    return () => auth.post('/change-email/confirm', { token }, { cookie: person.cookie })
  },
  'a change of address that is taken back': async (person) => {
    const { undo } = await changed(person)
    return () => auth.post('/change-email/undo', { token: undo })
  },
  'a deletion': async ({ cookie }) => {
    return () => auth.post('/delete-user', { password: TEST_PASSWORD }, { cookie })
  },
  'an organization': async ({ n, cookie }) => {
    return () => auth.post('/organization/create', { name: 'Acme', slug: `acme-${n}` }, { cookie })
  },
  'an invitation': async ({ n, cookie }) => {
    const made = await setup.auth.post('/organization/create', { name: 'Acme' }, { cookie })
    const { id: organizationId } = (await made.json()) as { id: string }
    const body = { email: `guest-${n}@example.com`, role: 'VIEWER', organizationId }
    return () => auth.post('/organization/invite-member', body, { cookie })
  },
  'a refresh of a session': async ({ cookie }) => {
    return () => auth.post('/access/refresh', {}, { cookie })
  },
  'a program’s refresh': async ({ cookie }) => {
    const scopes = ['openid', 'offline_access', 'bookings:read']
    const app = { name: 'Phone', scopes, redirectUris: [CALLBACK], isConfidential: false }
    const { clientId } = await make(app)
    const { refresh_token = '' } = await grant(clientId, cookie)
    const programs = createPrograms(() => ({ auth, admin }))
    return async () => {
      const { status } = await programs.refresh(clientId, refresh_token)
      return new Response(null, { status })
    }
  },
}

let last = 0
async function person(): Promise<Person> {
  last += 1
  return { n: last, ...(await setup.auth.signIn()) }
}

beforeAll(async () => {
  const administrator = await person()
  await setup.db.user.update({ where: { id: administrator.userId }, data: { role: 'ADMIN' } })
  admin = administrator.cookie
})

test.each(Object.keys(REQUESTS))(
  '%s of more people at once than there are connections',
  async (what) => {
    const sends: Send[] = []
    for (let n = 0; n < AT_ONCE; n += 1)
      sends.push(await (REQUESTS[what] as (p: Person) => Promise<Send>)(await person()))
    await db.user.count()
    // Transactions that wait for each other are given up in the end, and answered otherwise.
    const answers = await Promise.all(sends.map((send) => send()))
    expect(answers.map(({ status }) => status)).toEqual(Array(AT_ONCE).fill(200))
  },
)

test('mails to more people at once than there are connections', async () => {
  const people = []
  for (let n = 0; n < AT_ONCE; n += 1) people.push(await person())
  await Promise.all(people.map(({ email }) => auth.post('/request-password-reset', { email })))
  await auth.settled()
  for (const { email } of people) {
    expect(auth.outbox.to(email).map(({ template }) => template)).toContain('PasswordResetEmail')
  }
})
