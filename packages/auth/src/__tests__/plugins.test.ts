/** Better Auth plugins of a host: behind the same border, with their tables checked, and never against a promise. */

import type { TestDatabase } from '@repo/db/testing'
import { admin, bearer, customSession, multiSession } from 'better-auth/plugins'
import { afterAll, beforeAll, describe, expect, expectTypeOf, test, vi } from 'vitest'
import * as z from 'zod'
import { createAuthEndpoint, openAPI, sessionMiddleware, username } from '../better-auth-plugins.ts'
import { createAuth } from '../index.ts'
import { REFUSED_PLUGINS } from '../plugins/refused.ts'
import { cookiesOf, createTestAuth, TEST_ORIGIN, TEST_PASSWORD, tokenOf } from '../testing.ts'
import { createHostDatabase, hostPackage } from './host-fields.ts'

vi.mock('@repo/db', async () => {
  const { hostPackage } = await import('./host-fields.ts')
  return (await hostPackage()).import('index.ts')
})

/** A plugin that a host writes. */
const notes = () => ({
  id: 'notes',
  schema: {
    note: {
      fields: {
        text: { type: 'string' as const, required: true },
        userId: { type: 'string' as const, references: { model: 'user', field: 'id' } },
      },
    },
  },
  endpoints: {
    addNote: createAuthEndpoint(
      '/notes/add',
      { method: 'POST', use: [sessionMiddleware], body: z.object({ text: z.string().max(20) }) },
      async (ctx) => {
        const data = { text: ctx.body.text, userId: ctx.context.session.user.id }
        const { id } = await ctx.context.adapter.create<{ id: string }>({ model: 'note', data })
        return ctx.json({ id, text: data.text })
      },
    ),
    burnNotes: createAuthEndpoint(
      '/notes/burn',
      { method: 'POST', use: [sessionMiddleware] },
      async (ctx) => ctx.json({ burnt: true }),
    ),
  },
})

const make = (db: TestDatabase['db'], rateLimit = false) =>
  createTestAuth({
    db,
    rateLimit,
    twoFactor: true,
    plugins: [username(), notes(), openAPI()],
    ordinaryEndpoints: ['/notes/add'],
  })

let database: TestDatabase
let db: TestDatabase['db']
let auth: ReturnType<typeof make>
beforeAll(async () => {
  database = await createHostDatabase()
  db = database.db
  auth = make(db)
})
afterAll(async () => {
  await auth.settled()
  await auth.close()
  await database.drop()
  await (await hostPackage()).remove()
})

let count = 0
const newName = () => `Ada_${++count}`
const addressOf = (name: string) => `${name.toLowerCase()}@example.com`
const rowOf = async (name: string) =>
  (await db.user.findUniqueOrThrow({ where: { email: addressOf(name) } })) as Record<
    string,
    unknown
  >

const signUp = (name: string, more: object = { username: name }) =>
  auth.post('/sign-up/email', {
    ...{ name: 'Ada', email: addressOf(name), password: TEST_PASSWORD },
    ...more,
  })

/** Signs up with a username, and confirms the address in the same browser. */
async function confirmed(name = newName()): Promise<string> {
  const begun = await signUp(name)
  expect(begun.status).toBe(200)
  await auth.settled()
  const token = tokenOf(auth.outbox, 'WelcomeEmail')
  await auth.post('/confirm-email', { token }, { cookie: cookiesOf(begun) })
  return name
}

const enter = (username: string, password = TEST_PASSWORD, cookie = '') =>
  auth.post('/sign-in/username', { username, password }, { cookie })

describe('signing in by username', () => {
  test('makes a session like every other sign-in, and ends the one before', async () => {
    const name = await confirmed()
    expect(await rowOf(name)).toMatchObject({ username: name.toLowerCase(), displayUsername: name })
    const first = await enter(name)
    expect(first.status).toBe(200)
    const session = await auth.requireAuth(auth.request('/', { cookie: cookiesOf(first) }))
    const second = await enter(name.toUpperCase(), TEST_PASSWORD, cookiesOf(first))
    expect(second.status).toBe(200)
    const over = auth.getSession(auth.request('/', { cookie: cookiesOf(first) }), { fresh: true })
    expect(await over).toBeNull()
    const log = { userId: session.userId, action: 'sign_in' }
    expect(await db.auditLog.count({ where: log })).toBe(2)
  })

  test('asks for the second factor', async () => {
    const name = await confirmed()
    await db.user.update({ where: { email: addressOf(name) }, data: { twoFactorEnabled: true } })
    const answer = await enter(name)
    const req = auth.request('/', { cookie: cookiesOf(answer) })
    expect(await auth.getSession(req)).toBeNull()
  })

  test('refuses the right password of an unproven address like a wrong one', async () => {
    const name = newName()
    await signUp(name)
    const [right, wrong, unknown] = await Promise.all([
      enter(name),
      enter(name, 'not the password'),
      enter(newName()),
    ])
    const said = await right.json()
    expect([right.status, said]).toMatchObject([401, { code: 'invalid_username_or_password' }])
    expect([wrong.status, await wrong.json()]).toEqual([401, said])
    expect([unknown.status, await unknown.json()]).toEqual([401, said])
  })

  test('counts guesses with those by address, from any spelling of the name', async () => {
    const limited = make(db, true)
    const name = await confirmed()
    const headers = { 'x-forwarded-for': '203.0.113.9' }
    const ask = (body: object, path = '/sign-in/username') => limited.post(path, body, { headers })
    for (const username of [name, name.toUpperCase(), ` ${name}`]) {
      expect((await ask({ username, password: 'not the password' })).status).not.toBe(429)
    }
    for (let at = 0; at < 2; at += 1) {
      await ask({ email: addressOf(name), password: 'not the password' }, '/sign-in/email')
    }
    expect((await ask({ username: name, password: TEST_PASSWORD })).status).toBe(429)
    // A name without an account is limited alike.
    const nobody = newName()
    for (let at = 0; at < 5; at += 1) await ask({ username: nobody, password: 'wrong password' })
    expect((await ask({ username: nobody, password: TEST_PASSWORD })).status).toBe(429)
    await limited.close()
  })

  test('stays open to a session whose sign-in is old, and to one that lacks its second factor', async () => {
    const name = await confirmed()
    const cookie = cookiesOf(await enter(name))
    await age(name)
    expect((await enter(name, TEST_PASSWORD, cookie)).status).toBe(200)
  })
})

/** Makes the sign-in of the user's sessions an hour old. */
async function age(name: string): Promise<void> {
  const { id: userId } = await db.user.findUniqueOrThrow({ where: { email: addressOf(name) } })
  const createdAt = new Date(Date.now() - 3_600_000)
  await db.session.updateMany({ where: { userId }, data: { createdAt } })
}

describe('whose username it is', () => {
  test('a confirmation elsewhere keeps none of a stranger’s, and the own sign-up brings its own', async () => {
    const name = newName()
    await signUp(name, { username: `thief_${name}` })
    await auth.settled()
    const begun = await signUp(name, { username: name })
    await auth.settled()
    const token = tokenOf(auth.outbox, 'WelcomeEmail')
    await auth.post('/confirm-email', { token }, { cookie: cookiesOf(begun) })
    expect(await rowOf(name)).toMatchObject({ username: name.toLowerCase(), displayUsername: name })
  })

  test.each(['a mailed link', 'a confirmation without the password'])(
    '%s drops it',
    async (way) => {
      const name = newName()
      await signUp(name)
      await auth.settled()
      if (way === 'a mailed link') {
        await auth.post('/sign-in/magic-link', { email: addressOf(name) })
        await auth.settled()
        const token = tokenOf(auth.outbox, 'MagicLinkEmail')
        await auth.post('/sign-in/magic-link/confirm', { token })
      } else {
        const token = tokenOf(auth.outbox, 'WelcomeEmail')
        await auth.post('/confirm-email', { token }, { cookie: '' })
      }
      const dropped = { emailVerified: true, username: null, displayUsername: null }
      expect(await rowOf(name)).toMatchObject(dropped)
    },
  )
})

describe('an endpoint of a host’s plugin', () => {
  test('is behind the border: origin, body, sign-in, and the recent sign-in', async () => {
    const name = await confirmed()
    const cookie = cookiesOf(await enter(name))
    const add = (body: unknown, headers = {}) => auth.post('/notes/add', body, { cookie, headers })
    const made = await add({ text: 'Paint', userId: 'somebody else' })
    expect([made.status, await made.json()]).toMatchObject([200, { text: 'Paint' }])
    const refusals: [Promise<Response>, number, string][] = [
      [add({ text: 'x' }, { origin: 'https://evil.example' }), 403, 'untrusted_origin'],
      [add({ text: 7 }), 400, 'invalid_request'],
      [add({ text: 'a\0b' }), 400, 'invalid_request'],
      [add({ text: 'x'.repeat(70_000) }), 413, 'body_too_large'],
      [auth.post('/notes/add', { text: 'x' }), 401, 'not_authenticated'],
    ]
    for (const [asked, status, code] of refusals) {
      const answer = await asked
      expect([answer.status, await answer.json()]).toMatchObject([status, { code }])
    }
    await age(name)
    expect((await add({ text: 'Old' })).status).toBe(200)
    const burnt = await auth.post('/notes/burn', {}, { cookie })
    expect([burnt.status, await burnt.json()]).toMatchObject([
      403,
      { code: 'recent_sign_in_required' },
    ])
    const { id } = await rowOf(name)
    const rows = await db.$queryRawUnsafe(`SELECT "text" FROM "Note" WHERE "userId" = '${id}'`)
    expect(rows).toEqual([{ text: 'Paint' }, { text: 'Old' }])
    await auth.deleteUser(id as string)
    expect(await db.$queryRawUnsafe(`SELECT 1 FROM "Note" WHERE "userId" = '${id}'`)).toEqual([])
  })

  test('is a function of auth.api with its types, also before the load', async () => {
    const fresh = make(db)
    const answer = await fresh.api.isUsernameAvailable({ body: { username: newName() } })
    expect(answer).toEqual({ available: true })
    expectTypeOf(fresh.api.signInUsername).toBeFunction()
    expectTypeOf<Awaited<ReturnType<typeof fresh.api.addNote>>>().toEqualTypeOf<{
      id: string
      text: string
    }>()
    await fresh.close()
  })

  test('the page of openAPI lists the endpoints of ours and of plugins', async () => {
    const answer = await auth.handler(auth.request('/api/auth/open-api/generate-schema'))
    const { paths } = (await answer.json()) as { paths: object }
    expect(Object.keys(paths)).toEqual(expect.arrayContaining(['/notes/add', '/sign-in/username']))
  })

  test('errorCodes has the codes of plugins', async () => {
    expect(await auth.errorCodes()).toHaveProperty('username_is_already_taken')
  })
})

describe('what is refused', () => {
  const given = { baseURL: TEST_ORIGIN, secret: 'x'.repeat(32), ipAddressHeaders: ['x'] }
  const refused = (plugins: readonly object[], more = {}) =>
    expect(() => createAuth({ ...given, plugins, ...more } as never))

  test.each([
    ['admin', admin()],
    ['bearer', bearer()],
    ['multi-session', multiSession()],
    ['custom-session', customSession(async (each) => each)],
  ])('the plugin %s, with the reason', (id, plugin) => {
    refused([plugin]).toThrow(expect.objectContaining({ code: 'invalid_options', status: 500 }))
    refused([plugin]).toThrow(`plugins must not have ${id}: ${REFUSED_PLUGINS[id]}`)
  })

  test('one plugin twice, an id of ours, and a value that is no plugin', () => {
    refused([notes(), notes()]).toThrow('notes twice')
    refused([{ id: 'tollgate-notes' }]).toThrow('tollgate-notes')
    refused([{ name: 'notes' }]).toThrow('plugins[0]')
  })

  test.each<[string, object, string]>([
    ['the role of a user', { user: { fields: { role: { type: 'string' } } } }, 'user.role'],
    [
      'whether an address is proven',
      { user: { fields: { emailVerified: { type: 'boolean', input: true } } } },
      'user.emailVerified',
    ],
    [
      'the role under another name',
      { user: { fields: { nick: { type: 'string', fieldName: 'role' } } } },
      'user.nick (the column role)',
    ],
    [
      'the role of a table under another name',
      { person: { modelName: 'user', fields: { role: { type: 'string' } } } },
      'user.role',
    ],
    [
      'the assurance level of a session',
      { session: { fields: { aal: { type: 'number' } } } },
      'session.aal',
    ],
    [
      'the password of an account',
      { account: { fields: { password: { type: 'string' } } } },
      'account.password',
    ],
    [
      'a field of the host that callers may not set',
      { user: { fields: { vip: { type: 'boolean' } } } },
      'user.vip',
    ],
    ['the language of a user', { user: { fields: { locale: { type: 'string' } } } }, 'user.locale'],
  ])('a column that auth or the host has: %s', (_, schema, at) => {
    const fields = { vip: { schema: z.boolean().default(false), input: false } }
    const made = () =>
      createTestAuth({ db, user: { fields }, plugins: [{ id: 'own', schema }] as never })
    expect(made).toThrow(expect.objectContaining({ code: 'invalid_options', status: 500 }))
    expect(made).toThrow(`the plugin own declares ${at},`)
  })

  test.each<[string, object, string]>([
    ['a name of auth.api', { endpoints: { signOut: {} } }, 'signOut'],
    [
      'a path of ours',
      { endpoints: { leave: { path: '/sign-out', options: { method: 'POST' } } } },
      '/sign-out',
    ],
    [
      'a path with another parameter',
      {
        endpoints: { back: { path: '/callback/:provider', options: { method: ['GET', 'POST'] } } },
      },
      '/callback/:id',
    ],
  ])('%s, at the first use', async (_, plugin, at) => {
    const auth = createTestAuth({ db, plugins: [{ id: 'own', ...plugin }] as never })
    await expect(auth.load()).rejects.toMatchObject({
      code: 'invalid_options',
      message: expect.stringContaining(at),
    })
  })

  test('a path in ordinaryEndpoints that no plugin of the host answers', async () => {
    const auth = createTestAuth({ db, plugins: [notes()], ordinaryEndpoints: ['/change-email'] })
    await expect(auth.load()).rejects.toThrow('ordinaryEndpoints has /change-email')
  })

  test('a table and a column that the schema lacks, with the lines to write', async () => {
    const fields = { text: { type: 'string' as const }, userId: { type: 'string' as const } }
    const table = createTestAuth({ db, plugins: [{ id: 'x', schema: { memo: { fields } } }] })
    await expect(table.load()).rejects.toThrow(
      /plugin x needs the model Memo[\s\S]*@tenancy owner userId\nmodel Memo \{\n {2}id String @id\n {2}text String\n {2}userId String\n[\s\S]*db:diff/,
    )
    const extra = { vat: { type: 'string' as const, required: false, unique: true } }
    const column = createTestAuth({
      db,
      plugins: [{ id: 'x', schema: { user: { fields: extra } } }],
    })
    await expect(column.load()).rejects.toThrow(/User lacks vat[\s\S]*\n {2}vat String\? @unique\n/)
  })
})
