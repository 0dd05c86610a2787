/**
 * What a warm call costs the database: each statement that it sends, by its verb and its tables. A list that grows is
 * a cost that every host pays; the test says which statement came. The user acts for an organization, as users do.
 */

import { prismaAdapter } from 'better-auth/adapters/prisma'
import { betterAuth } from 'better-auth/minimal'
import { beforeAll, describe, expect, test } from 'vitest'
import { cookiesOf, createTestAuth, TEST_PASSWORD, type TestAuth } from '../testing.ts'
import { withoutAccess } from './cookies.ts'
import { setUpAuth } from './setup.ts'
import { countStatements } from './statements.ts'

const setup = setUpAuth()
const statementsOf = countStatements()
const DEVICE = { 'x-forwarded-for': '192.0.2.1', 'user-agent': 'Firefox/140.0' }

let last = 0
const NEW = () => ({ name: 'Ada', email: `new-${++last}@example.com`, password: TEST_PASSWORD })

/** The calls of somebody who is signed in, acts for an organization and has been here before. */
async function callsOf(auth: TestAuth, name?: string) {
  const { email } = await auth.signIn(name)
  const credentials = { email, password: TEST_PASSWORD }
  const post = async (path: string, body: unknown, cookie = '') => {
    const answer = await auth.post(path, body, { headers: DEVICE, cookie })
    expect(answer.status, `${path}: ${await answer.clone().text()}`).toBe(200)
    return answer
  }
  const get = async (path: string, cookie: string) => {
    const answer = await auth.handler(auth.request(`/api/auth${path}`, { cookie, headers: DEVICE }))
    expect(await answer.json()).toBeTruthy()
  }
  const signedIn = async () => cookiesOf(await post('/sign-in/email', credentials))
  const cookie = await signedIn()
  const slug = `of-${email.replace(/\W/g, '-')}`
  await post('/organization/create', { name: 'Lovelace', slug }, cookie)
  await auth.settled()
  const ended = [await signedIn(), await signedIn()]
  const guarded = async (given: string, fresh = false) => {
    expect(await auth.getSession(auth.request('/', { cookie: given }), { fresh })).toBeTruthy()
  }
  const calls: { [name: string]: () => Promise<unknown> } = {
    'sign-in': () => post('/sign-in/email', credentials),
    '/get-session with an access token': () => get('/get-session', cookie),
    '/get-session without': () => get('/get-session', withoutAccess(cookie)),
    'getSession with an access token': () => guarded(cookie),
    'getSession without': () => guarded(withoutAccess(cookie)),
    'getSession, fresh': () => guarded(cookie, true),
    'list organizations': () => get('/organization/list', cookie),
    'sign-up': () => post('/sign-up/email', NEW()),
    'sign-out': () => post('/sign-out', {}, ended.pop()),
  }
  const found: { [name: string]: string[] } = {}
  for (const [name, call] of Object.entries(calls)) {
    // Once before, so that connections are open and keys are read.
    await call()
    await auth.settled()
    found[name] = await statementsOf(call, auth.settled)
  }
  return found
}

/** What each call sends, in this order. A change that adds a statement says here why it is worth its price. */
const EXPECTED: { [name: string]: string[] } = {
  'sign-in': [
    // Better Auth's two questions in one, with what was committed by then.
    'SELECT User, Account',
    // While the access of the user is held, and for the organization of the last session.
    'WITH User, Session, Member, LastOrganization',
    // After the session is there: whether the password still is, what the token may say, and what is to be told.
    'SELECT Session, Session_statement, Account, UserDeletion',
    'INSERT AuditLog',
    // Whether the network and the browser are known, after the answer.
    'SELECT AuditLog',
  ],
  '/get-session with an access token': ['SELECT Session, User, Member', 'SELECT Session_statement'],
  '/get-session without': ['SELECT Session, User, Member', 'SELECT Session_statement'],
  'getSession with an access token': [],
  'getSession without': ['SELECT Session, User, Member'],
  'getSession, fresh': ['SELECT Session, User, Member'],
  'list organizations': ['SELECT Session, User, Member', 'SELECT Member', 'SELECT Organization'],
  'sign-up': [
    // What was committed when the request began.
    'SELECT',
    'SELECT User',
    'INSERT User',
    'BEGIN',
    'SELECT User',
    'SELECT Account',
    'INSERT Account',
    'COMMIT',
    // The mail.
    'SELECT add_job',
  ],
  'sign-out': [
    'SELECT Session, User, Member',
    'SELECT Session',
    'DELETE Session',
    'SELECT Account',
    // Waits until this process has heard of it.
    'SELECT AccessDenial',
    'INSERT AuditLog',
  ],
}

describe('the statements of a call', () => {
  let found: { [name: string]: string[] }
  beforeAll(async () => {
    found = await callsOf(setup.auth)
  })
  test.each(Object.keys(EXPECTED))('%s', (name) => {
    expect(found[name]).toEqual(EXPECTED[name])
  })
})

test('reading the session needs no more statements than Better Auth alone', async () => {
  const baseURL = 'http://localhost:3000'
  const peer = betterAuth({
    baseURL,
    secret: 'a-secret-for-tests-of-32-characters',
    telemetry: { enabled: false },
    database: prismaAdapter(setup.db, { provider: 'postgresql', transaction: false }),
    verification: { modelName: 'verificationToken' },
    emailAndPassword: { enabled: true },
  })
  const { email, password } = NEW()
  const body = { name: 'Ada', email, password }
  const cookie = cookiesOf(await peer.api.signUpEmail({ body, asResponse: true }))
  const ask = async () => {
    const answer = await peer.handler(
      new Request(`${baseURL}/api/auth/get-session`, { headers: { cookie } }),
    )
    expect(await answer.json()).toMatchObject({ user: { email } })
  }
  const theirs = await statementsOf(ask, async () => {})
  expect(EXPECTED['/get-session without']?.length).toBeLessThanOrEqual(theirs.length)
})

/** Each of these is counted in a statement of its own, which holds over all processes. */
const COUNTED = Array<string>(5).fill('INSERT RateLimit')

test('the limits of a sign-in add eight statements', async () => {
  const limited = createTestAuth({ db: setup.db, rateLimit: true })
  const calls = await callsOf(limited, 'limited@example.com')
  const given = ['DELETE RateLimit', 'INSERT RateLimit', 'INSERT RateLimit']
  const [credentials = '', begun = '', ...rest] = EXPECTED['sign-in'] ?? []
  expect(calls['sign-in']).toEqual([...COUNTED, credentials, begun, ...given, ...rest])
  expect(calls['/get-session without']).toEqual(EXPECTED['/get-session without'])
  await limited.close()
})
