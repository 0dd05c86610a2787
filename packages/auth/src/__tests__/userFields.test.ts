/** A host's own fields of a user: checked, typed, exported, deleted, and in the mails. */

import type { TestDatabase } from '@repo/db/testing'
import { builtInEmails, createSender } from '@repo/email'
import { createOutbox } from '@repo/email/testing'
import { afterAll, beforeAll, describe, expect, expectTypeOf, test, vi } from 'vitest'
import * as z from 'zod'
import { createAuthClient } from '../client.ts'
import { type AuthUser, createAuth, type ProviderProfile } from '../index.ts'
import type { createNext } from '../next.ts'
import { cookiesOf, createTestAuth, TEST_ORIGIN, TEST_PASSWORD, tokenOf } from '../testing.ts'
import { createBrowser } from './browser.ts'
import { createHostDatabase, hostPackage, LINES } from './host-fields.ts'
import { type Issuer, OIDC_CLIENT, startIssuer } from './issuer.ts'

vi.mock('@repo/db', async () => {
  const { hostPackage } = await import('./host-fields.ts')
  return (await hostPackage()).import('index.ts')
})

const fields = {
  company: z.string().trim().min(1).max(80),
  plan: z.enum(['free', 'pro']).default('free'),
  seats: z.coerce.number().int().min(1).nullish(),
  since: z.coerce.date().nullable().default(null),
  topics: z.array(z.string().max(20)).max(3).optional(),
  internalNote: { schema: z.string().nullable(), input: false, returned: false },
  tenant: {
    schema: z.string().max(10).nullable(),
    input: false,
    fromProfile: ({ claims }: ProviderProfile) => claims.tid,
  },
}

const captured = createOutbox()
const { WelcomeEmail, PasswordResetEmail } = builtInEmails
const sender = createSender({
  transport: captured.transport,
  templates: {
    ...builtInEmails,
    WelcomeEmail: {
      ...WelcomeEmail,
      subject: (props: never, { recipient }) =>
        `${WelcomeEmail.subject(props, { locale: null, recipient })} ${JSON.stringify(recipient)}`,
    },
    PasswordResetEmail: {
      ...PasswordResetEmail,
      subject: (_, { recipient }) => `Reset, ${recipient.company} on ${recipient.plan}`,
    },
  },
})

const make = (db: TestDatabase['db'], issuer: Issuer) =>
  createTestAuth({
    db,
    sender,
    user: { fields },
    oidc: { acme: { issuer: issuer.url, ...OIDC_CLIENT } },
  })

let database: TestDatabase
let db: TestDatabase['db']
let issuer: Issuer
let auth: ReturnType<typeof make>
beforeAll(async () => {
  database = await createHostDatabase()
  db = database.db
  issuer = await startIssuer({ redirectUri: `${TEST_ORIGIN}/api/auth/callback/acme` })
  auth = make(db, issuer)
})
afterAll(async () => {
  await auth.settled()
  await auth.close()
  await issuer.close()
  await database.drop()
  await (await hostPackage()).remove()
})

const byEmail = async (email: string) =>
  (await db.user.findUniqueOrThrow({ where: { email } })) as Record<string, unknown>
const userOf = (cookie: string) => auth.getUser(auth.request('/', { cookie }))
let count = 0
const newAddress = () => `host-${++count}@example.com`

/** Signs up and returns the answer. */
const signUp = (email: string, more: object) =>
  auth.post('/sign-up/email', { name: 'Ada', email, password: TEST_PASSWORD, ...more })

/** Signs up, confirms in the same browser and signs in. */
async function signIn(more: object, email = newAddress()) {
  const begun = await signUp(email, more)
  expect(begun.status).toBe(200)
  await auth.settled()
  const token = tokenOf(captured, 'WelcomeEmail')
  await auth.post('/confirm-email', { token }, { cookie: cookiesOf(begun) })
  const answer = await auth.post('/sign-in/email', { email, password: TEST_PASSWORD })
  return { email, cookie: cookiesOf(answer) }
}

describe('at a sign-up', () => {
  test('values are checked, tidied and stored, and the user has them with their types', async () => {
    const { email, cookie } = await signIn({
      company: '  Acme  ',
      plan: 'pro',
      seats: '12',
      since: '2026-01-31',
      topics: ['a', 'b'],
    })
    const expected = {
      company: 'Acme',
      plan: 'pro',
      seats: 12,
      since: new Date('2026-01-31'),
      topics: ['a', 'b'],
      internalNote: null,
      tenant: null,
    }
    expect(await userOf(cookie)).toMatchObject(expected)
    expect(await byEmail(email)).toMatchObject(expected)
    const shown = await auth.handler(auth.request('/api/auth/get-session', { cookie }))
    const { user } = (await shown.json()) as { user: object }
    expect(user).toMatchObject({ company: 'Acme', plan: 'pro', tenant: null })
    expect(user).not.toHaveProperty('internalNote')
  })

  test('a field that may be left out has its default or null', async () => {
    const { cookie } = await signIn({ company: 'Acme' })
    const expected = { plan: 'free', seats: null, since: null, topics: [] }
    expect(await userOf(cookie)).toMatchObject(expected)
  })

  test.each<[string, object, string, string]>([
    ['a missing field', {}, 'invalid_request', '[body.company]'],
    ['a text that is too long', { company: 'x'.repeat(81) }, 'invalid_request', '[body.company]'],
    ['a wrong type', { company: 7 }, 'invalid_request', '[body.company]'],
    ['null for a text', { company: null }, 'invalid_request', '[body.company]'],
    ['an unknown value', { company: 'A', plan: 'gold' }, 'invalid_request', '[body.plan]'],
    ['an item of a list', { company: 'A', topics: ['a', 7] }, 'invalid_request', '[body.topics.1]'],
    [
      'a field of the host',
      { company: 'A', internalNote: 'x' },
      'field_not_allowed',
      'internalNote',
    ],
    ['a field of a profile', { company: 'A', tenant: 'x' }, 'field_not_allowed', 'tenant'],
  ])('%s is a 400 that names the field, and nobody is signed up', async (_, more, code, at) => {
    const email = newAddress()
    const answer = await signUp(email, more)
    expect([answer.status, await answer.json()]).toMatchObject([
      400,
      { code, detail: expect.stringContaining(at) },
    ])
    expect(await db.user.count({ where: { email } })).toBe(0)
    const body = { name: 'Ada', email, password: TEST_PASSWORD, ...more }
    if (code === 'invalid_request') {
      await expect(auth.api.signUpEmail({ body })).rejects.toMatchObject({ body: { code } })
      expect(await db.user.count({ where: { email } })).toBe(0)
    }
  })

  test('a form gives the fields, and a list by the option fields', async () => {
    const email = newAddress()
    const form = new URLSearchParams({
      name: 'Ada',
      email,
      password: TEST_PASSWORD,
      company: 'Acme',
    })
    for (const topic of ['a', 'b']) form.append('topics', topic)
    const req = new Request(`${TEST_ORIGIN}/sign-up`, {
      method: 'POST',
      headers: { origin: TEST_ORIGIN },
      body: form,
    })
    const answer = await auth.formAction(req, {
      ...{ path: '/sign-up/email', success: '/sent', failure: '/sign-up' },
      fields: (given) => ({ ...Object.fromEntries(given), topics: given.getAll('topics') }),
    })
    expect(answer.headers.get('location')).toBe('/sent')
    expect(await byEmail(email)).toMatchObject({ company: 'Acme', topics: ['a', 'b'] })
  })

  test('a known and an unknown address get the same answer', async () => {
    const { email } = await signIn({ company: 'Acme', plan: 'pro' })
    const more = { company: ' Other ', seats: '3', since: '2026-02-01' }
    const answers = await Promise.all(
      [email, newAddress()].map(async (address) => {
        const answer = await signUp(address, more)
        const { user, ...rest } = (await answer.json()) as { user: Record<string, unknown> }
        const { id: _, email: __, createdAt: ___, updatedAt: ____, ...fields } = user
        return { status: answer.status, rest, fields, keys: Object.keys(user) }
      }),
    )
    expect(answers[0]).toEqual(answers[1])
    expect(answers[0]?.fields).toMatchObject({ company: 'Other', seats: 3, plan: 'free' })
    expect(await byEmail(email)).toMatchObject({ company: 'Acme', plan: 'pro' })
  })
})

describe('whose values they are', () => {
  test('each browser brings the values of its own sign-up, whoever signed up first', async () => {
    const email = newAddress()
    await signUp(email, { company: 'Thief', plan: 'pro', topics: ['x'] })
    await auth.settled()
    const { cookie } = await signIn({ company: 'Owner', since: '2026-03-01' }, email)
    const expected = { company: 'Owner', plan: 'free', since: new Date('2026-03-01'), topics: [] }
    expect(await userOf(cookie)).toMatchObject(expected)
  })

  test.each(['a confirmation without the password', 'a reset', 'a mailed link', 'a provider'])(
    'nothing of a stranger’s sign-up is left after %s',
    async (way) => {
      const email = newAddress()
      const set = { company: 'Thief', plan: 'pro', seats: 9, topics: ['x'], locale: 'fr' }
      await signUp(email, set)
      await db.user.update({ where: { email }, data: { internalNote: 'kept' } as object })
      await auth.settled()
      if (way === 'a confirmation without the password') {
        const token = tokenOf(captured, 'WelcomeEmail')
        await auth.post('/confirm-email', { token }, { cookie: '' })
      } else if (way === 'a reset') {
        await auth.post('/request-password-reset', { email })
        await auth.settled()
        const token = tokenOf(captured, 'PasswordResetEmail')
        await auth.post('/reset-password', { token, newPassword: TEST_PASSWORD })
      } else if (way === 'a mailed link') {
        await auth.post('/sign-in/magic-link', { email })
        await auth.settled()
        const token = tokenOf(captured, 'MagicLinkEmail')
        await auth.post('/sign-in/magic-link/confirm', { token })
      } else {
        await byProvider({ sub: email, email, email_verified: true, name: 'Owner' })
      }
      expect(await byEmail(email)).toMatchObject({
        emailVerified: true,
        company: null,
        plan: 'free',
        seats: null,
        topics: [],
        locale: null,
        internalNote: 'kept',
      })
    },
  )
})

/** Signs in by the provider, which tells this of its user. */
async function byProvider(profile: Issuer['profile']): Promise<string> {
  issuer.profile = profile
  const begun = await auth.post('/sign-in/social', { provider: 'acme', callbackURL: '/' })
  const { url } = (await begun.json()) as { url: string }
  const { pathname, search } = await createBrowser().until(TEST_ORIGIN, url)
  const answer = await auth.handler(
    auth.request(`${pathname}${search}`, { cookie: cookiesOf(begun) }),
  )
  return cookiesOf(answer)
}

describe('a user who came without a required field', () => {
  test('is signed in; getUser names the field until /update-user has set it', async () => {
    const email = newAddress()
    const cookie = await byProvider({
      sub: email,
      email,
      email_verified: true,
      tid: 'T1',
      locale: 'de-AT',
    })
    expect(await auth.getSession(auth.request('/', { cookie }))).not.toBeNull()
    await expect(userOf(cookie)).rejects.toMatchObject({
      code: 'profile_incomplete',
      status: 403,
      message: expect.stringContaining('company'),
    })
    const profile = await auth.getProfile(auth.request('/', { cookie }))
    expect(profile).toMatchObject({
      missing: ['company'],
      user: { email, company: null, plan: 'free', tenant: 'T1', locale: 'de-AT' },
    })
    const answer = await auth.post('/update-user', { company: 'Acme' }, { cookie })
    expect(answer.status).toBe(200)
    expect(await userOf(cookie)).toMatchObject({ company: 'Acme', tenant: 'T1' })
  })

  test('a value of a profile that does not fit is left out, and the user is signed in', async () => {
    const email = newAddress()
    const profile = { sub: email, email, email_verified: true, tid: 'x'.repeat(11) }
    const cookie = await byProvider({ ...profile, company: 'Claimed', plan: 'pro' })
    expect(cookie).toContain('session_token')
    // A claim with a field's name counts only where the field says so.
    expect(await byEmail(email)).toMatchObject({ tenant: null, company: null, plan: 'free' })
  })

  test('an imported user and a guest who has no account yet lack it, too', async () => {
    const email = newAddress()
    await db.user.create({ data: { id: email, name: 'Imported', email, emailVerified: true } })
    await auth.post('/sign-in/magic-link', { email })
    await auth.settled()
    const token = tokenOf(captured, 'MagicLinkEmail')
    const answer = await auth.post('/sign-in/magic-link/confirm', { token })
    await expect(userOf(cookiesOf(answer))).rejects.toMatchObject({ code: 'profile_incomplete' })
  })
})

describe('a change', () => {
  test('sets the fields that it names, and no others', async () => {
    const { email, cookie } = await signIn({ company: 'Acme', plan: 'pro', seats: 2 })
    const answer = await auth.post('/update-user', { company: ' New ', seats: null }, { cookie })
    expect(answer.status).toBe(200)
    expect(await byEmail(email)).toMatchObject({ company: 'New', seats: null, plan: 'pro' })
  })

  test.each<[object, string]>([
    [{ company: '' }, 'invalid_request'],
    [{ company: null }, 'invalid_request'],
    [{ plan: 'gold' }, 'invalid_request'],
    [{ internalNote: 'x' }, 'field_not_allowed'],
    [{ tenant: null }, 'field_not_allowed'],
    [{ role: 'ADMIN', company: 'Acme' }, 'field_not_allowed'],
  ])('%j is refused, and nothing changes', async (body, code) => {
    const { email, cookie } = await signIn({ company: 'Acme' })
    const before = await byEmail(email)
    const answer = await auth.post('/update-user', { name: 'Eve', ...body }, { cookie })
    expect([answer.status, await answer.json()]).toMatchObject([400, { code }])
    expect(await byEmail(email)).toEqual(before)
  })
})

test('mails to a proven address get the values, and the first mail to an address gets none', async () => {
  const { email } = await signIn({ company: 'Acme', plan: 'pro' })
  expect(captured.last('WelcomeEmail').subject).toMatch(/ \{\}$/)
  await auth.post('/request-password-reset', { email })
  await auth.settled()
  expect(captured.last('PasswordResetEmail').subject).toBe('Reset, Acme on pro')
})

test('the export has every field, and a deletion leaves no value in any table', async () => {
  const company = 'Erased & Sons'
  const { email, cookie } = await signIn({ company, topics: ['a'] })
  await db.user.update({ where: { email }, data: { internalNote: company } as object })
  const document = await auth.exportUser(auth.request('/', { cookie }))
  expect(document.user).toMatchObject({ company, topics: ['a'], internalNote: company })
  await auth.deleteUser(document.user.id)
  await auth.settled()
  const tables = await db.$queryRaw<{ name: string }[]>`
    SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
    WHERE schemaname IN ('public', 'graphile_worker')`
  for (const { name } of tables) {
    const rows = await db.$queryRawUnsafe<unknown[]>(
      `SELECT 1 FROM ${name} t WHERE position('Erased &' in t::text) > 0`,
    )
    expect([name, rows.length]).toEqual([name, 0])
  }
})

describe('what the schema of the database lacks', () => {
  const request = (given: object) =>
    createTestAuth({ db, user: { fields: given as typeof fields } }).load()

  test('the first use names the line and the commands', async () => {
    await expect(
      request({ vat: z.string(), tier: z.enum(['a', 'b']).default('a') }),
    ).rejects.toThrow(
      /User lacks vat, tier[\s\S]*\n {2}vat String\?\n {2}tier String @default\("a"\)\n[\s\S]*db:diff[\s\S]*db:migrate/,
    )
    await expect(request({ seats: z.string() })).rejects.toThrow(
      /seats of User is integer[\s\S]*seats String\?/,
    )
    await expect(request({ plan: z.string() })).rejects.toThrow(/plan of User must be optional/)
  })

  test('a column that only the client knows asks for the migration', async () => {
    const other = await (await hostPackage()).import<typeof import('@repo/db/testing')>(
      'testing/index.ts',
    )
    const { inject } = await import('vitest')
    const unmigrated = await other.createTestDatabase(inject('postgres'))
    const lacking = createTestAuth({ db: unmigrated.db, user: { fields } })
    const answer = await lacking.handler(lacking.request('/api/auth/get-session'))
    expect(answer.status).toBe(500)
    await expect(lacking.load()).rejects.toThrow(/database lacks company, [\s\S]*db:migrate/)
    await unmigrated.drop()
  })

  test('the lines of the error are the lines of the schema', async () => {
    const { lineOf } = await import('../account/user-field-columns.ts')
    const { createUserFields } = await import('../account/user-fields.ts')
    for (const [name, { column, fallback }] of createUserFields(fields).all) {
      if (name === 'locale') continue
      expect(lineOf(name, column, fallback)).toBe(LINES[name as keyof typeof LINES])
    }
  })
})

test.each<[name: string, what: string, field: object]>([
  ['email', 'a name of auth', z.string()],
  ['role', 'a name of auth', z.string()],
  ['locale', 'a name of auth', z.string()],
  ['Company', 'a capital letter', z.string()],
  ['company-name', 'a dash', z.string()],
  ['extra', 'an object', z.object({ a: z.string() })],
  ['extra', 'values of two types', z.union([z.string(), z.number()])],
  ['extra', 'no schema', { schema: 'text' }],
  ['extra', 'an input of a wrong kind', { schema: z.string(), input: 'no' }],
])('createAuth refuses the field %s with %s', (name, _, field) => {
  const given = { user: { fields: { [name]: field } } }
  const make = () => createAuth({ baseURL: TEST_ORIGIN, secret: 'x'.repeat(32), ...given } as never)
  expect(make).toThrow(expect.objectContaining({ code: 'invalid_options' }))
  expect(make).toThrow(`user.fields.${name}`)
})

test('the types of the user come from the schemas', () => {
  type User = NonNullable<Awaited<ReturnType<typeof auth.getUser>>>
  expectTypeOf<User['company']>().toEqualTypeOf<string>()
  expectTypeOf<User['plan']>().toEqualTypeOf<'free' | 'pro'>()
  expectTypeOf<User['seats']>().toEqualTypeOf<number | null>()
  expectTypeOf<User['since']>().toEqualTypeOf<Date | null>()
  expectTypeOf<User['topics']>().toEqualTypeOf<string[] | null>()
  expectTypeOf<User['internalNote']>().toEqualTypeOf<string | null>()
  expectTypeOf<User['locale']>().toEqualTypeOf<string | null>()
  type Profile = NonNullable<Awaited<ReturnType<typeof auth.getProfile>>>
  expectTypeOf<Profile['user']['company']>().toEqualTypeOf<string | null>()
  type Next = ReturnType<typeof createNext<User>>
  type InNext = NonNullable<Awaited<ReturnType<Next['getUser']>>>
  expectTypeOf<InNext['company']>().toEqualTypeOf<string>()
  const client = createAuthClient<typeof auth>('https://app.example.com')
  type InBrowser = (typeof client.$Infer.Session)['user']
  expectTypeOf<InBrowser['plan']>().toEqualTypeOf<'free' | 'pro' | null | undefined>()
  expectTypeOf<InBrowser['company']>().toEqualTypeOf<string | null | undefined>()
  const plain = createAuth({
    baseURL: TEST_ORIGIN,
    secret: 'x'.repeat(32),
    ipAddressHeaders: ['x'],
  })
  expectTypeOf<NonNullable<Awaited<ReturnType<typeof plain.getUser>>>>().toExtend<AuthUser>()
  // A function in the options knows its argument.
  const typed = () =>
    createAuth({
      user: { fields: { tid: { schema: z.string(), fromProfile: ({ claims }) => claims.tid } } },
    })
  expectTypeOf<NonNullable<Awaited<ReturnType<ReturnType<typeof typed>['getUser']>>>>().toExtend<{
    tid: string
  }>()
})

test('an import stores the host’s fields as a sign-up does, those that only the host sets included', async () => {
  const [good, bare, bad] = [newAddress(), newAddress(), newAddress()]
  const result = await auth.importUsers([
    { email: good, emailVerified: true, company: ' Acme ', seats: '12', internalNote: 'old' },
    { email: bare, emailVerified: true },
    { email: bad, emailVerified: true, company: ''.padEnd(81, 'x') },
  ])
  expect(result).toMatchObject({ imported: 2, refused: [{ row: 3, reason: 'invalid_field' }] })
  expect(await byEmail(good)).toMatchObject({
    company: 'Acme',
    plan: 'free',
    seats: 12,
    internalNote: 'old',
  })
  expect(await byEmail(bare)).toMatchObject({ company: null, plan: 'free', seats: null })
})
