/** Callers whose address is not known. A file of its own: in tests Better Auth assumes an address otherwise. */

import { afterAll, afterEach, expect, test, vi } from 'vitest'
import { bcryptPool } from '../sign-in/bcrypt-pool.ts'
import { cookiesOf, createTestAuth, TEST_PASSWORD, type TestAuth } from '../testing.ts'
import { holdHashes } from './hashes.ts'
import { setUpAuth } from './setup.ts'

vi.stubEnv('NODE_ENV', 'production')
vi.stubEnv('TEST', '')
afterAll(() => vi.unstubAllEnvs())

const setup = setUpAuth()
afterEach(() => vi.restoreAllMocks())
const limited = () => createTestAuth({ db: setup.db, rateLimit: true })

const signIn = (auth: TestAuth, email: string, password = 'x'.repeat(129)) =>
  auth.post('/sign-in/email', { email, password })

test('without an address, an account has its limit, and all callers share a limit of seconds', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  try {
    const processes = [limited(), limited()]
    const statuses: number[] = []
    for (let n = 0; n < 7; n += 1) {
      statuses.push((await signIn(processes[n % 2] as TestAuth, 'five@example.com')).status)
    }
    expect(statuses).toEqual([...Array(5).fill(400), 429, 429])
    const rows = await setup.db.rateLimit.count()
    const answers = await Promise.all(
      Array.from({ length: 150 }, (_, n) =>
        signIn(processes[n % 2] as TestAuth, `many-${n}@example.com`),
      ),
    )
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused.length).toBe(57)
    expect(refused[0]?.headers.get('ratelimit-policy')).toBe('100;w=10')
    // Three rows for each that was let through: its account, the two limits at its address.
    expect((await setup.db.rateLimit.count()) - rows).toBe(3 * 93)
  } finally {
    vi.useRealTimers()
  }
})

test('without an address, accounts take turns at the queue, and server code has a turn of its own', async () => {
  const { asked, begun, start } = holdHashes()
  const flood = Array.from({ length: 24 }, (_, n) =>
    signIn(setup.auth, `flood-${n % 3}@example.com`, TEST_PASSWORD),
  )
  await expect.poll(() => asked.length).toBe(24)
  expect(new Set(asked.map(({ turn }) => turn.address))).toEqual(new Set([null]))
  const honest = signIn(setup.auth, 'honest@example.com', 'another password')
  await expect.poll(() => asked.length).toBe(25)
  const server = bcryptPool().hash('x', 4)
  start()
  await Promise.all([honest, server])
  // Two are hashed at once, and each of the others in front has one turn.
  expect(begun.indexOf('x')).toBeGreaterThan(1)
  expect(begun.indexOf('x')).toBeLessThanOrEqual(2 + 1)
  expect(begun.indexOf(asked[24]?.text ?? '')).toBeLessThanOrEqual(2 + 3 + 1)
  expect((await Promise.all(flood)).map(({ status }) => status)).toEqual(Array(24).fill(401))
})

test('a signed-in caller has the turn of the account', async () => {
  const email = 'signed-in@example.com'
  await setup.auth.post('/sign-up/email', { name: 'Ada', email, password: TEST_PASSWORD })
  const { id: userId } = await setup.db.user.update({
    where: { email },
    data: { emailVerified: true },
  })
  const cookie = cookiesOf(await signIn(setup.auth, email, TEST_PASSWORD))
  const compare = vi.spyOn(bcryptPool(), 'compare')
  const right = await setup.auth.post('/verify-password', { password: TEST_PASSWORD }, { cookie })
  expect(right.status).toBe(200)
  expect(compare.mock.lastCall?.at(-1)).toEqual({ address: null, account: userId })
})
