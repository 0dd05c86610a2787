/** How often one may try: by account and address, by each alone, and at a host's own API. */

import { isTollgateError, toResponse } from '@repo/core'
import { createTestLogger } from '@repo/core/testing'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { AuthOptions } from '../index.ts'
import { createAuth } from '../index.ts'
import { createTestAuth, TEST_ORIGIN, TEST_PASSWORD, type TestAuth } from '../testing.ts'
import { startRedis } from './redis.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()

/** Auth with limits, behind one proxy. Each call is another process. */
const limited = (options: Partial<AuthOptions> = {}) =>
  createTestAuth({ db: setup.db, rateLimit: true, ...options })

let lastAddress = 0
/** An address nobody has used. */
function newAddress(): string {
  lastAddress += 1
  return `198.51.${lastAddress >> 8}.${lastAddress & 255}`
}
const from = (address: string) => ({ headers: { 'x-forwarded-for': address } })

const signIn = (auth: TestAuth, email: string, address: string, password = 'not the password') =>
  auth.post('/sign-in/email', { email, password }, from(address))

test.each([
  ['/sign-in/email', 401],
  ['/sign-up/email', 200],
  ['/request-password-reset', 200],
  ['/send-verification-email', 200],
  ['/sign-in/magic-link', 200],
])(
  'an account from one address may try %s five times, over all processes',
  async (path, allowed) => {
    const processes = [limited(), limited()]
    const body = {
      name: 'Ada',
      email: `five-${allowed}${path.length}@example.com`,
      password: TEST_PASSWORD,
    }
    const address = newAddress()
    const statuses: number[] = []
    for (let n = 0; n < 7; n += 1) {
      const answer = await (processes[n % 2] as TestAuth).post(path, body, from(address))
      statuses.push(answer.status)
      if (answer.status === 429) {
        const { headers } = answer
        expect(headers.get('content-type')).toBe('application/problem+json')
        expect(await answer.json()).toMatchObject({ code: 'too_many_requests', status: 429 })
        expect(headers.get('ratelimit-limit')).toBe('5')
        expect(headers.get('ratelimit-remaining')).toBe('0')
        expect(headers.get('ratelimit-policy')).toBe('5;w=900')
        expect(headers.get('retry-after')).toBe(headers.get('ratelimit-reset'))
        expect(Number(headers.get('retry-after'))).toBeGreaterThan(850)
        expect(headers.getSetCookie()).toEqual([])
      } else {
        expect(answer.headers.get('ratelimit-remaining')).toBe(String(4 - n))
      }
    }
    expect(statuses).toEqual([...Array(5).fill(allowed), 429, 429])
    // The same address with another account, and the account from elsewhere.
    const other = { ...body, email: `other-${path.length}@example.com` }
    expect((await limited().post(path, other, from(address))).status).toBe(allowed)
    expect((await limited().post(path, body, from(newAddress()))).status).toBe(allowed)
  },
)

test('the password is checked in five of sixty sign-ins at once over two processes', async () => {
  const processes = [limited(), limited()]
  const address = newAddress()
  const answers = await Promise.all(
    Array.from({ length: 60 }, (_, n) =>
      signIn(processes[n % 2] as TestAuth, 'burst@example.com', address),
    ),
  )
  expect(answers.filter(({ status }) => status === 401)).toHaveLength(5)
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(55)
})

test('the sixth try is refused though its password is right; a successful try does not count', async () => {
  const auth = limited()
  const { email } = await setup.auth.signIn()
  const locked = newAddress()
  for (let n = 0; n < 5; n += 1) await signIn(auth, email, locked)
  expect((await signIn(auth, email, locked, TEST_PASSWORD)).status).toBe(429)

  const address = newAddress()
  for (let n = 0; n < 4; n += 1) expect((await signIn(auth, email, address)).status).toBe(401)
  for (let n = 0; n < 8; n += 1) {
    expect((await signIn(auth, email, address, TEST_PASSWORD)).status).toBe(200)
  }
})

test('links and codes have wider limits for one address than passwords, as an office needs', async () => {
  const auth = limited({ twoFactor: true })
  const address = newAddress()
  const statuses = async (path: string, body: object, times: number) => {
    const seen: number[] = []
    for (let n = 0; n < times; n += 1)
      seen.push((await auth.post(path, body, from(address))).status)
    return seen
  }
  const pressed = await statuses('/sign-in/magic-link/confirm', { token: 'x' }, 40)
  expect(pressed).toEqual(Array(40).fill(400))
  for (const way of ['totp', 'backup-code']) {
    const typed = await statuses(`/two-factor/verify-${way}`, { code: 'x' }, 40)
    expect(typed).toEqual(Array(40).fill(401))
  }
  const tried = await statuses('/two-factor/disable', { password: 'x' }, 22)
  expect(tried).toEqual([...Array(20).fill(401), 429, 429])
})

test('with Redis the limits are counted there', async () => {
  const redis = await startRedis()
  const processes = [limited({ redisUrl: redis.url }), limited({ redisUrl: redis.url })]
  try {
    const before = await setup.db.rateLimit.count()
    const address = newAddress()
    const statuses: number[] = []
    for (let n = 0; n < 7; n += 1) {
      const auth = processes[n % 2] as TestAuth
      statuses.push((await signIn(auth, 'redis@example.com', address)).status)
    }
    expect(statuses).toEqual([...Array(5).fill(401), 429, 429])
    expect(await setup.db.rateLimit.count()).toBe(before)
  } finally {
    for (const auth of processes) await auth.close()
    await redis.stop()
  }
})

test('server code that passes on the headers is limited, too', async () => {
  const auth = limited()
  const headers = new Headers(from(newAddress()).headers)
  const body = { email: 'server@example.com', password: 'x'.repeat(129) }
  for (let n = 0; n < 5; n += 1) {
    await expect(auth.api.signInEmail({ body, headers })).rejects.toMatchObject({ statusCode: 400 })
  }
  await expect(auth.api.signInEmail({ body, headers })).rejects.toMatchObject({ status: 429 })
})

test('other letter case and spaces around an address do not open another limit', async () => {
  const auth = limited()
  const address = newAddress()
  const spelled = ['case@example.com', 'CASE@example.com', 'Case@Example.com']
  for (let n = 0; n < 5; n += 1) await signIn(auth, spelled[n % 3] as string, address)
  expect((await signIn(auth, 'cAsE@example.com', address)).status).toBe(429)
})

test('an account takes fifty tries from many addresses, and one address has a hundred tries', async () => {
  const auth = limited()
  const counted = async (tries: number, send: (n: number) => Promise<Response>) => {
    // A password that is too long is refused before it is hashed, and counts all the same.
    const answers = await Promise.all(Array.from({ length: tries }, (_, n) => send(n)))
    return answers.filter(({ status }) => status === 429).length
  }
  const long = 'x'.repeat(129)
  const guesses = await counted(55, () => signIn(auth, 'target@example.com', newAddress(), long))
  expect(guesses).toBe(5)
  const address = newAddress()
  const tries = await counted(104, (n) => signIn(auth, `many-${n}@example.com`, address, long))
  expect(tries).toBe(4)
})

test('behind known proxies each caller has a limit of their own and cannot choose another', async () => {
  const auth = limited({ trustedProxies: ['10.0.0.0/8'] })
  const email = 'proxied@example.com'
  const tries = async (header: (n: number) => string) => {
    const statuses = []
    for (let n = 0; n < 7; n += 1) statuses.push((await signIn(auth, email, header(n))).status)
    return statuses
  }
  expect(await tries((n) => `198.18.0.${n}, 10.0.0.1`)).toEqual(Array(7).fill(401))
  expect(await tries((n) => `192.0.2.${n}, 203.0.113.8, 10.0.0.1`)).toEqual([
    ...Array(5).fill(401),
    429,
    429,
  ])
})

test('an IPv6 caller is counted by the network', async () => {
  const auth = limited()
  const email = 'six@example.com'
  for (let n = 0; n < 5; n += 1) await signIn(auth, email, `2001:db8:1:2::${n}`)
  expect((await signIn(auth, email, '2001:db8:1:2:ffff::1')).status).toBe(429)
  expect((await signIn(auth, email, '2001:db8:1:3::1')).status).toBe(401)
})

test('a form is limited by the address in the header that was named', async () => {
  const auth = limited({ ipAddressHeaders: ['cf-connecting-ip'] })
  const send = async (address: string) => {
    const req = auth.request('/sign-in', {
      method: 'POST',
      headers: {
        origin: TEST_ORIGIN,
        'content-type': 'application/x-www-form-urlencoded',
        'cf-connecting-ip': address,
        'x-forwarded-for': newAddress(),
      },
      body: new URLSearchParams({
        email: 'form@example.com',
        password: 'wrong password',
      }).toString(),
    })
    const action = { path: '/sign-in/email', success: '/', failure: '/sign-in' }
    return (await auth.formAction(req, action)).headers.get('location')
  }
  for (let n = 0; n < 5; n += 1) {
    expect(await send('203.0.113.30')).toBe('/sign-in?error=invalid_email_or_password')
  }
  expect(await send('203.0.113.30')).toBe('/sign-in?error=too_many_requests')
  expect(await send('203.0.113.31')).toBe('/sign-in?error=invalid_email_or_password')
})

test('reading the session is not limited; other limits by address answer alike', async () => {
  // The window of ten seconds does not end while a slow machine sends.
  vi.useFakeTimers({ toFake: ['Date'] })
  onTestFinished(() => {
    vi.useRealTimers()
  })
  const auth = limited()
  const { cookie } = await setup.auth.signIn()
  const address = newAddress()
  const get = (path: string) =>
    auth.handler(auth.request(path, { cookie, headers: { 'x-forwarded-for': address } }))
  const reads = await Promise.all(Array.from({ length: 150 }, () => get('/api/auth/get-session')))
  expect(reads.filter(({ status }) => status !== 200)).toEqual([])
  const lists = await Promise.all(Array.from({ length: 105 }, () => get('/api/auth/list-sessions')))
  const refused = lists.filter(({ status }) => status === 429)
  expect(refused).toHaveLength(5)
  expect(refused[0]?.headers.get('content-type')).toBe('application/problem+json')
  expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(0)
})

test('the store holds no address, neither of a person nor of a machine', async () => {
  await signIn(limited(), 'hidden@example.com', '203.0.113.99')
  const rows = await setup.db.rateLimit.findMany()
  expect(rows.length).toBeGreaterThan(3)
  expect(JSON.stringify(rows.map(({ key }) => key))).not.toMatch(/hidden|example|203\.0/)
})

test("a host's API: a hundred an hour for an address, a thousand for a user, with the standard headers", async () => {
  const processes = [limited(), limited()]
  const statuses = async (count: number, request: () => Request) => {
    const answers = await Promise.all(
      Array.from({ length: count }, async (_, n) => {
        try {
          const headers = await (processes[n % 2] as TestAuth).rateLimit(request())
          return Response.json({}, { headers })
        } catch (error) {
          expect(isTollgateError(error, 'too_many_requests')).toBe(true)
          return toResponse(error)
        }
      }),
    )
    const allowed = answers.filter(({ status }) => status === 200)
    const [refused] = answers.filter(({ status }) => status === 429)
    return { allowed, refused }
  }
  const address = newAddress()
  const anonymous = await statuses(103, () => setup.auth.request('/api/things', from(address)))
  expect(anonymous.allowed).toHaveLength(100)
  expect(anonymous.refused?.headers.get('ratelimit-policy')).toBe('100;w=3600')
  expect(Number(anonymous.refused?.headers.get('retry-after'))).toBeGreaterThan(3_500)
  const [first] = anonymous.allowed
  expect(first?.headers.get('ratelimit-limit')).toBe('100')
  expect(Number(first?.headers.get('ratelimit-remaining'))).toBeLessThan(100)
  expect(Number(first?.headers.get('ratelimit-reset'))).toBeGreaterThan(3_500)

  const { cookie } = await setup.auth.signIn()
  const signedIn = await statuses(1_003, () =>
    setup.auth.request('/', { cookie, ...from(address) }),
  )
  expect(signedIn.allowed).toHaveLength(1_000)
  expect(signedIn.refused?.headers.get('ratelimit-limit')).toBe('1000')
})

test('routes of a host can have a limit of their own', async () => {
  const auth = limited()
  const req = auth.request('/', from(newAddress()))
  const orders = { name: 'orders', anonymous: 1, windowSeconds: 60 }
  expect(await auth.rateLimit(req, orders)).toMatchObject({ 'ratelimit-policy': '1;w=60' })
  await expect(auth.rateLimit(req, orders)).rejects.toMatchObject({ status: 429 })
  expect(await auth.rateLimit(req)).toMatchObject({ 'ratelimit-remaining': '99' })
})

const PUBLIC = { baseURL: 'https://app.example.com', secret: 'x'.repeat(32) }
const warnings = (options: Partial<AuthOptions>) => {
  const logger = createTestLogger()
  createAuth({ ...PUBLIC, db: setup.db, logger, ...options })
  return logger.entries.filter(({ level }) => level === 'warn').length
}

test('a public host without proxy settings gets a warning when it starts', () => {
  expect(warnings({})).toBe(1)
  expect(warnings({ trustedProxies: ['10.0.0.0/8', '2001:db8::/32', '192.0.2.1'] })).toBe(0)
  expect(warnings({ ipAddressHeaders: ['x-forwarded-for'] })).toBe(0)
  expect(warnings({ baseURL: 'https://localhost:3000' })).toBe(0)
})

test.each([
  ['a range that is none', { trustedProxies: ['10.0.0.0/33'] }],
  ['a name', { trustedProxies: ['proxy.example.com'] }],
  ['an empty entry', { trustedProxies: [''] }],
  ['a header that is none', { ipAddressHeaders: ['x-forwarded-for, x-real-ip'] }],
])('%s among the proxies is refused when auth is made', (_, options) => {
  expect(() => createAuth({ ...PUBLIC, db: setup.db, ...options })).toThrow(
    expect.objectContaining({ code: 'invalid_options' }),
  )
})
