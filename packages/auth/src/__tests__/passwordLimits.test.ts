/** The password of an account has one limit, wherever it is asked for. */

import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { AuthOptions } from '../index.ts'
import { fieldsOf, withPath } from '../sign-in/password-fields.ts'
import { cookiesOf, createTestAuth, TEST_PASSWORD, type TestAuth, tokenOf } from '../testing.ts'
import { startRedis } from './redis.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()

/** Auth with limits and everything that can be turned on. Each call is another process. */
const limited = (options: Partial<AuthOptions> = {}) =>
  createTestAuth({
    db: setup.db,
    rateLimit: true,
    twoFactor: true,
    oauth: { scopes: ['a:b'] },
    ...options,
  })

let lastAddress = 0
/** An address nobody has used, in a network nobody has used. */
function newAddress(): string {
  lastAddress += 1
  return `100.${64 + (lastAddress >> 8)}.${lastAddress & 255}.1`
}
const from = (address: string, cookie?: string) => ({
  headers: { 'x-forwarded-for': address },
  ...(cookie ? { cookie } : {}),
})

/** Too long for any account, so it is refused without a hash. It counts all the same. */
const LONG = 'x'.repeat(129)

interface Queryable {
  path: string
  /** The field with the password. */
  field: string
  /** Those that the endpoint knows, and those it needs. */
  fields: string[]
  required: string[]
}

/** A body with `password` where it belongs, and with all that the endpoint needs. */
const filled = ({ field, required }: Queryable, password: string, email: string) => ({
  ...Object.fromEntries(required.map((name) => [name, 'x'.repeat(12)])),
  ...(required.includes('email') ? { email } : {}),
  ...(required.includes('newEmail') ? { newEmail: 'another@example.com' } : {}),
  [field]: password,
})

/** Where a new password is set, which guesses at none. */
const SETS_PASSWORD = [
  '/sign-up/email password',
  '/change-password newPassword',
  '/reset-password newPassword',
]

/** All endpoints that take a password of an account, as they are now. */
const asking = (): Queryable[] =>
  withPath(() => setupApi).flatMap(({ path = '', options }) => {
    if (options?.metadata?.SERVER_ONLY) return []
    const fields = fieldsOf(options?.body)
    // Wider than what the code looks for, so that a field with a name of its own is seen here.
    const field = fields.find(
      (name) =>
        /pass(?!key)|pwd|secret|\bpin\b/i.test(name) && !SETS_PASSWORD.includes(`${path} ${name}`),
    )
    if (field === undefined || field === 'client_secret') return []
    const { required = [] } = z.toJSONSchema(options?.body as z.ZodType, { io: 'input' })
    return [{ path, field, fields, required }]
  })
let setupApi: Record<string, unknown> = {}

describe('endpoints that ask for a password', () => {
  test('are exactly those of the running handler, and each refuses the sixth guess', async () => {
    const auth = limited()
    await auth.load()
    setupApi = auth.api as unknown as Record<string, unknown>
    const { cookie, email } = await setup.auth.signIn()
    const found = asking()
    expect(found.map(({ path }) => path).sort()).toEqual(
      expect.arrayContaining([
        '/change-password',
        '/delete-user',
        '/sign-in/email',
        '/two-factor/disable',
        '/two-factor/enable',
        '/two-factor/generate-backup-codes',
        '/two-factor/get-totp-uri',
        '/verify-password',
      ]),
    )
    // Whose password it is follows from the session everywhere else.
    expect(found.flatMap(({ path, fields }) => (fields.includes('email') ? [path] : []))).toEqual([
      '/sign-in/email',
    ])
    for (const asked of found) {
      const { path } = asked
      const address = newAddress()
      const body = filled(asked, LONG, email)
      const statuses: number[] = []
      for (let n = 0; n < 6; n += 1) {
        statuses.push((await auth.post(path, body, from(address, cookie))).status)
      }
      expect([path, statuses.slice(0, 5).includes(429), statuses[5]]).toEqual([path, false, 429])
    }
  })

  test('share the account’s limits, for one address and over all addresses', async () => {
    const processes = [limited(), limited()]
    await processes[0]?.load()
    setupApi = processes[0]?.api as unknown as Record<string, unknown>
    const { cookie, email } = await setup.auth.signIn()
    const found = asking()
    const guess = (n: number, address: string) => {
      const asked = found[n % found.length] as Queryable
      const auth = processes[n % 2] as TestAuth
      return auth.post(asked.path, filled(asked, LONG, email), from(address, cookie))
    }
    const address = newAddress()
    for (let n = 0; n < 5; n += 1) expect((await guess(n, address)).status).not.toBe(429)
    for (let n = 0; n < found.length; n += 1) expect((await guess(n, address)).status).toBe(429)
    for (let n = 5; n < 50; n += 1) expect((await guess(n, newAddress())).status).not.toBe(429)
    for (let n = 0; n < found.length; n += 1) {
      expect((await guess(n, newAddress())).status).toBe(429)
    }
  })
})

test.each(['PostgreSQL', 'Redis'])(
  'a stolen session gets fifty guesses from sixty addresses, counted in %s',
  async (store) => {
    const redis = store === 'Redis' ? await startRedis() : null
    const options = redis ? { redisUrl: redis.url } : {}
    const processes = [limited(options), limited(options)]
    try {
      const { cookie, email } = await setup.auth.signIn()
      const home = newAddress()
      const signIn = (address: string, password = TEST_PASSWORD) =>
        setup.auth.post('/sign-in/email', { email, password }, from(address))
      expect((await signIn(home)).status).toBe(200)
      // A mail about the sign-in is counted in a limit, too.
      await setup.auth.settled()
      const before = await setup.db.rateLimit.count()
      const guesses = await Promise.all(
        Array.from({ length: 60 }, (_, n) =>
          (processes[n % 2] as TestAuth).post(
            '/change-password',
            { currentPassword: LONG, newPassword: 'another good password' },
            from(newAddress(), cookie),
          ),
        ),
      )
      const refused = guesses.filter(({ status }) => status === 429)
      expect(refused).toHaveLength(10)
      expect(await refused[0]?.json()).toMatchObject({ code: 'too_many_requests' })
      expect(refused[0]?.headers.get('ratelimit-limit')).toBe('50')
      expect((await setup.db.rateLimit.count()) > before).toBe(store === 'PostgreSQL')
      const [auth] = processes as [TestAuth]
      const right = { currentPassword: TEST_PASSWORD, newPassword: 'another good password' }
      const elsewhere = await auth.post('/change-password', right, from(newAddress(), cookie))
      expect(elsewhere.status).toBe(429)
      // The owner is not locked out.
      expect((await auth.post('/change-password', right, from(home, cookie))).status).toBe(200)
    } finally {
      for (const auth of processes) await auth.close()
      await redis?.stop()
    }
  },
)

test('a familiar network has a limit of its own, which is wider', async () => {
  const auth = limited()
  const { email } = await setup.auth.signIn()
  const post = (address: string, password: string) =>
    auth.post('/sign-in/email', { email, password }, from(address))
  for (const home of ['192.0.2.10', '203.0.113.10']) {
    expect((await post(home, TEST_PASSWORD)).status).toBe(200)
  }
  const guesses = (addresses: string[], each: number) =>
    Promise.all(
      addresses.flatMap((address) => Array.from({ length: each }, () => post(address, LONG))),
    ).then((answers) => answers.filter(({ status }) => status !== 429).length)
  expect(await guesses(Array.from({ length: 60 }, newAddress), 1)).toBe(50)
  const neighbours = Array.from({ length: 30 }, (_, n) => `192.0.2.${n + 20}`)
  expect(await guesses(neighbours, 5)).toBe(100)
  expect((await post('192.0.2.11', TEST_PASSWORD)).status).toBe(429)
  expect((await post('203.0.113.11', TEST_PASSWORD)).status).toBe(200)
})

test('a confirmation without a password gives back no guesses', async () => {
  const auth = limited()
  const victim = await setup.auth.signIn()
  const address = newAddress()
  const guess = () =>
    auth.post('/verify-password', { password: LONG }, from(address, victim.cookie))
  for (let n = 0; n < 4; n += 1) expect((await guess()).status).toBe(400)
  const body = { name: 'Own', email: 'own-sign-up@example.com', password: TEST_PASSWORD }
  const begun = await auth.post('/sign-up/email', body, from(address))
  await auth.settled()
  const confirmation = { token: tokenOf(auth.outbox, 'WelcomeEmail'), password: 'whatever it is' }
  const cookie = `${victim.cookie}; ${cookiesOf(begun)}`
  const confirmed = await auth.post('/confirm-email', confirmation, from(address, cookie))
  expect(confirmed.status).toBe(200)
  expect((await guess()).status).toBe(429)
})

test('an account has one limit, however its address is written', async () => {
  const auth = limited()
  const address = newAddress()
  const ways = [
    'zoe@mu\u0308nchen.example',
    'ZOE@xn--mnchen-3ya.example',
    ' zoe@M\u00dcNCHEN.example',
  ]
  const guess = (n: number) => {
    const { headers } = auth.request('/', from(address))
    const body = { email: ways[n % ways.length] as string, password: 'not the password' }
    return auth.api.signInEmail({ body, headers }).then(
      () => 200,
      (error: { status: unknown }) => error.status,
    )
  }
  for (let n = 0; n < 5; n += 1) expect(await guess(n)).toBe('UNAUTHORIZED')
  expect(await guess(5)).toBe(429)
  const entries = await setup.db.auditLog.findMany({
    where: { action: 'sign_in_failed', subject: { not: null } },
    select: { subject: true },
  })
  expect(new Set(entries.map(({ subject }) => subject)).size).toBe(1)
})

test('concurrent guesses get no more tries, and the right password does not count', async () => {
  const auth = limited()
  const { cookie } = await setup.auth.signIn()
  const verify = (address: string, password: string) =>
    auth.post('/verify-password', { password }, from(address, cookie))
  const address = newAddress()
  const burst = await Promise.all(
    Array.from({ length: 20 }, () => verify(address, 'not the password')),
  )
  expect(burst.filter(({ status }) => status === 400)).toHaveLength(5)
  expect(burst.filter(({ status }) => status === 429)).toHaveLength(15)

  const calm = newAddress()
  for (let n = 0; n < 4; n += 1) expect((await verify(calm, LONG)).status).toBe(400)
  for (let n = 0; n < 8; n += 1) expect((await verify(calm, TEST_PASSWORD)).status).toBe(200)
})

test('only the right password gives tries back, and no field of the body moves them to another account', async () => {
  const auth = limited()
  const { cookie } = await setup.auth.signIn()
  const { email: mine, cookie: own } = await setup.auth.signIn()
  const address = newAddress()
  const as = (who: string) => new Headers({ 'x-forwarded-for': address, cookie: who })
  // Server code may pass fields that no endpoint knows.
  const guess = (more: object = {}) => {
    const body = { password: LONG, ...more }
    return auth.api.verifyPassword({ body, headers: as(cookie) })
  }
  for (let n = 0; n < 4; n += 1) {
    const elsewhere = { email: `somebody-${n}@example.com`, token: `${n}` }
    await expect(guess(elsewhere)).rejects.toMatchObject({ statusCode: 400 })
    const name = { name: 'Ada', password: 'x', currentPassword: 'x' }
    await auth.api.updateUser({ body: name, headers: as(cookie) })
    const body = { email: mine, password: TEST_PASSWORD }
    expect((await auth.post('/sign-in/email', body, from(address, own))).status).toBe(200)
  }
  await expect(guess()).rejects.toMatchObject({ statusCode: 400 })
  await expect(guess()).rejects.toMatchObject({ status: 429 })
})

test('an empty password that was not checked gives nothing back', async () => {
  const auth = limited()
  const { cookie, userId } = await setup.auth.signIn()
  await setup.db.account.deleteMany({ where: { userId } })
  const address = newAddress()
  const statuses: number[] = []
  for (let n = 0; n < 6; n += 1) {
    const answer = await auth.post('/two-factor/enable', { password: '' }, from(address, cookie))
    statuses.push(answer.status)
  }
  expect(statuses).toEqual([...Array(5).fill(200), 429])
})

test('right passwords have a limit, too: thirty for an account at an address, three hundred for an address', async () => {
  const auth = limited()
  const { email } = await setup.auth.signIn()
  const { email: colleague } = await setup.auth.signIn()
  const signIn = (address: string, who = email) =>
    auth.post('/sign-in/email', { email: who, password: TEST_PASSWORD }, from(address))
  /** As after so many sign-ins. */
  const used = (policy: string, points: number) =>
    setup.db.rateLimit.updateMany({
      where: { key: { startsWith: `${policy}:` } },
      data: { points },
    })
  await setup.db.rateLimit.deleteMany()
  const address = newAddress()
  expect((await signIn(address)).status).toBe(200)
  await used('hashes', 29)
  expect((await signIn(address)).status).toBe(200)
  const refused = await signIn(address)
  expect([refused.status, refused.headers.get('ratelimit-policy')]).toEqual([429, '30;w=900'])
  expect((await signIn(address, colleague)).status).toBe(200)
  await used('hashes-address', 300)
  const full = await signIn(address, colleague)
  expect([full.status, full.headers.get('ratelimit-policy')]).toEqual([429, '300;w=900'])
  expect((await signIn(newAddress(), colleague)).status).toBe(200)
})

test('a wrong password of a signed-in user is in the audit log, at every endpoint', async () => {
  const auth = createTestAuth({ db: setup.db, twoFactor: true })
  const { cookie, userId } = await setup.auth.signIn()
  // With the second factor turned on, which some of them ask for first.
  await auth.post('/two-factor/enable', { password: TEST_PASSWORD }, { cookie })
  await setup.db.user.update({ where: { id: userId }, data: { twoFactorEnabled: true } })
  await setup.db.session.updateMany({ where: { userId }, data: { aal: 2 } })
  const wrong = { password: 'not the password', currentPassword: 'not the password' }
  const paths = [
    'change-password',
    'verify-password',
    'two-factor/enable',
    'two-factor/disable',
    'two-factor/get-totp-uri',
    'two-factor/generate-backup-codes',
  ]
  for (const path of paths) {
    const body = { ...wrong, newPassword: 'another good password' }
    const answer = await auth.post(`/${path}`, body, { cookie, ...from('203.0.113.77', cookie) })
    expect([path, answer.status]).toEqual([path, 400])
  }
  const right = await auth.post('/verify-password', { password: TEST_PASSWORD }, { cookie })
  expect(right.status).toBe(200)
  await auth.settled()
  const failed = await setup.db.auditLog.findMany({
    where: { userId, action: 'password_failed' },
    orderBy: { id: 'asc' },
  })
  expect(failed.map(({ detail }) => detail)).toEqual(paths.map((reason) => ({ reason })))
  const [first] = failed
  const { sessionId } = await auth.requireAuth(auth.request('/', { cookie }))
  expect(first).toMatchObject({ actorId: userId, sessionId, ip: '203.0.113.0' })
  expect(JSON.stringify(failed)).not.toContain('not the password')
})

test('with a second factor the right password gives its try back, but no session', async () => {
  const auth = limited()
  const { email, userId } = await setup.auth.signIn()
  await setup.db.user.update({ where: { id: userId }, data: { twoFactorEnabled: true } })
  const address = newAddress()
  for (let n = 0; n < 7; n += 1) {
    const body = { email, password: TEST_PASSWORD }
    const answer = await auth.post('/sign-in/email', body, from(address))
    expect(answer.status).toBe(200)
    expect(cookiesOf(answer)).not.toContain('session_token')
  }
})
