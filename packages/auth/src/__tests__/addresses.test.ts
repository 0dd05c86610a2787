/** Limits, sessions and the audit log read one address, in whatever way a proxy writes it. */

import { expect, test } from 'vitest'
import { createAddressOf, createAddressTeller } from '../http/addresses.ts'
import { createTestAuth, TEST_PASSWORD } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()

test.each([
  ['203.0.113.7', [], '203.0.113.7', '203.0.113.0'],
  ['203.0.113.7:4711', [], '203.0.113.7', '203.0.113.0'],
  ['"203.0.113.7:4711"', [], '203.0.113.7', '203.0.113.0'],
  ['[::ffff:203.0.113.7]:4711', [], '203.0.113.7', '203.0.113.0'],
  ['[2001:db8:1:2::9]:443', [], '2001:0db8:0001:0002:0000:0000:0000:0000', '2001:db8:1::'],
  ['"[2001:db8:1:2::9]"', [], '2001:0db8:0001:0002:0000:0000:0000:0000', '2001:db8:1::'],
  ['1.1.1.1, 203.0.113.7:4711, [::1]:80', ['::1'], '203.0.113.7', '203.0.113.0'],
  // Nobody knows, which in tests is this machine, for all three.
  ['203.0.113.7:99999', [], '127.0.0.1', '127.0.0.0'],
  ['203.0.113.7:4711, 198.51.100.1:80', [], '127.0.0.1', '127.0.0.0'],
])(
  'a sign-in behind %s with the proxies %j',
  async (forwarded, trustedProxies, session, network) => {
    const { email, userId } = await setup.auth.signIn()
    const auth = createTestAuth({ db: setup.db, trustedProxies })
    const headers = { 'x-forwarded-for': forwarded }
    const answer = await auth.post(
      '/sign-in/email',
      { email, password: TEST_PASSWORD },
      { headers },
    )
    expect(answer.status).toBe(200)
    await auth.settled()
    const orderBy = { createdAt: 'desc' } as const
    const row = await setup.db.session.findFirst({ where: { userId }, orderBy })
    expect(row?.ipAddress).toBe(session)
    const entry = await setup.db.auditLog.findFirst({
      where: { userId, action: 'sign_in' },
      orderBy,
    })
    expect(entry?.ip).toBe(network)
  },
)

test("Better Auth's own limits count an address over all its ports, and no two addresses together", async () => {
  const auth = createTestAuth({ db: setup.db, rateLimit: true })
  const { cookie } = await setup.auth.signIn()
  const get = (forwarded: string) => {
    const headers = { 'x-forwarded-for': forwarded }
    return auth.handler(auth.request('/api/auth/list-sessions', { cookie, headers }))
  }
  const ports = Array.from({ length: 105 }, (_, port) => get(`203.0.113.77:${port + 1}`))
  const refused = (await Promise.all(ports)).filter(({ status }) => status === 429)
  expect(refused).toHaveLength(5)
  expect((await get('203.0.113.78:1')).status).toBe(200)
  expect((await get('[2001:db8::1]:1')).status).toBe(200)
})

test('no caller can know the header that carries the address', () => {
  const addressOf = createAddressOf({})
  const tellers = [createAddressTeller({}, addressOf), createAddressTeller({}, addressOf)]
  const names = tellers.map(({ options }) => options.ipAddressHeaders[0])
  expect(new Set(names).size).toBe(2)
  for (const name of names) expect(name).toMatch(/^x-address-[0-9a-f]{32}$/)
})
