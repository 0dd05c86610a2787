/** How many mails of a kind one mailbox gets that others ask for: whoever asks, from wherever, however often. */

import { createTestLogger } from '@repo/core/testing'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { mailboxOf } from '../mail/mail-limits.ts'
import { createTestAuth, TEST_PASSWORD, type TestAuth } from '../testing.ts'
import { codeIn } from './people.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
const logger = createTestLogger()
const limited = () => createTestAuth({ db: setup.db, logger, rateLimit: true })
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] })
})
afterEach(() => {
  vi.useRealTimers()
})

const LIMIT = 10
const MINUTE_MS = 60_000
const passMinutes = (minutes: number) => vi.setSystemTime(Date.now() + minutes * MINUTE_MS)

let addresses = 0
/** Where nobody has been. */
function somewhere() {
  addresses += 1
  return { headers: { 'x-forwarded-for': `203.${addresses >> 8}.${addresses & 255}.7` } }
}

/** How many mails `auth` has sent to the address until now. */
async function mailsTo(email: string, auth: TestAuth): Promise<number> {
  await auth.settled()
  return auth.outbox.to(email).length
}

test.each([
  ['/request-password-reset', 'known'],
  ['/sign-in/magic-link', 'known'],
  ['/sign-in/magic-link', 'unknown'],
  ['/sign-up/email', 'known'],
  ['/sign-up/email', 'unknown'],
  ['/send-verification-email', 'waiting'],
])('%s sends ten mails an hour to one %s address, and answers the same', async (path, kind) => {
  const processes = [limited(), limited()]
  const [auth] = processes as [TestAuth]
  const email = `${path.replace(/\W/g, '')}-${kind}@example.com`
  if (kind === 'known') await setup.auth.signIn(email)
  if (kind === 'waiting') {
    await setup.auth.post('/sign-up/email', { name: 'Ada', email, password: TEST_PASSWORD })
  }
  await setup.auth.settled()
  const ask = async () => {
    const statuses = []
    // As many as the limit of an account lets through.
    for (let n = 0; n < 10; n += 1) {
      const body = { email, name: 'Eve', password: 'a password of a stranger' }
      const process = processes[n % 2] as TestAuth
      statuses.push((await process.post(path, body, somewhere())).status)
    }
    expect(statuses).toEqual(Array(10).fill(200))
    // Queued by both, and sent by one.
    for (const each of processes) await each.settled()
    return processes.reduce((sum, { outbox }) => sum + outbox.to(email).length, 0)
  }
  expect(await ask()).toBe(LIMIT)
  for (let n = 0; n < 2; n += 1) {
    passMinutes(16)
    expect(await ask()).toBe(LIMIT)
  }
  passMinutes(30)
  expect(await ask()).toBe(2 * LIMIT)
  expect(logger.text).toContain('had too many mails of this kind')
  expect(logger.text).not.toContain(email)
  expect(auth.outbox.to(email).length).toBeGreaterThan(0)
})

test('sign-ups, repeated confirmations and sign-ins count together', async () => {
  const auth = limited()
  const email = 'many-ways@example.com'
  const password = 'a password of a stranger'
  for (let n = 0; n < 5; n += 1) {
    await auth.post('/sign-up/email', { name: 'Eve', email, password }, somewhere())
    await auth.post('/send-verification-email', { email }, somewhere())
    await auth.post('/sign-in/email', { email, password }, somewhere())
  }
  expect(await mailsTo(email, auth)).toBe(LIMIT)
})

test('ten changes to one address an hour are mailed over all accounts, whatever other mails it gets', async () => {
  const auth = limited()
  const password = 'a password of a stranger'
  await setup.auth.signIn('count-known@example.com')
  for (const email of ['count-known@example.com', 'count-unknown@example.com']) {
    // Of a known address the sign-ins count no mail, and of an unknown one three.
    await auth.post('/sign-up/email', { name: 'Eve', email, password }, somewhere())
    for (let n = 0; n < 6; n += 1) {
      await auth.post('/send-verification-email', { email }, somewhere())
    }
    for (let n = 0; n < 3; n += 1) {
      const refused = await auth.post('/sign-in/email', { email, password }, somewhere())
      expect(refused.status).toBe(401)
    }
    await auth.settled()
    const answers: unknown[] = []
    for (let n = 0; n < 3; n += 1) {
      const { cookie } = await setup.auth.signIn()
      const body = { newEmail: email, password: TEST_PASSWORD }
      for (let m = 0; m < 4; m += 1) {
        const asked = await auth.post('/change-email', body, { cookie, ...somewhere() })
        answers.push([asked.status, await codeIn(asked)])
      }
    }
    expect(answers).toEqual([
      ...Array(LIMIT).fill([200, undefined]),
      ...Array(2).fill([429, 'too_many_requests']),
    ])
    await auth.settled()
  }
})

test('an address with another tag, letter case or form of the domain is the same mailbox', async () => {
  const auth = limited()
  const forms = [
    ...Array.from({ length: 8 }, (_, n) => `Ada+${n}@münchen.example`),
    ...Array.from({ length: 8 }, (_, n) => ` ada+x+${n}@XN--MNCHEN-3YA.example`),
  ]
  for (const email of forms) await auth.post('/sign-in/magic-link', { email }, somewhere())
  await auth.settled()
  expect(auth.outbox.sent).toHaveLength(LIMIT)
})

test.each([
  ['ada+news@example.com', 'ada@example.com'],
  ['+news@example.com', '+news@example.com'],
  ['ada@example.com', 'ada@example.com'],
])('the mailbox of %s is %s', (email, mailbox) => {
  expect(mailboxOf(email)).toBe(mailbox)
})

test('a stranger who uses up the ten mails does not block the owner’s reset; the owner has ten more', async () => {
  const auth = limited()
  const home = { headers: { 'x-forwarded-for': '198.51.100.20' } }
  const { email } = await setup.auth.signIn()
  await setup.auth.post('/sign-in/email', { email, password: TEST_PASSWORD }, home)
  await setup.auth.settled()
  const ask = async (from: typeof home, times: number) => {
    for (let n = 0; n < times; n += 1) {
      expect((await auth.post('/request-password-reset', { email }, from)).status).toBe(200)
    }
    return mailsTo(email, auth)
  }
  for (let n = 0; n < 10; n += 1) await ask(somewhere(), 1)
  passMinutes(16)
  expect(await ask(somewhere(), 1)).toBe(LIMIT)
  expect(await ask(home, 2)).toBe(LIMIT + 2)
  passMinutes(16)
  expect(await ask(home, 5)).toBe(LIMIT + 7)
  passMinutes(16)
  expect(await ask(home, 5)).toBe(2 * LIMIT)
})

test('sending invitations again and again is refused with a time to wait, over all organizations', async () => {
  const auth = limited()
  const email = 'invited@example.com'
  const organizations: { cookie: string; id: string }[] = []
  for (let n = 0; n < 3; n += 1) {
    const { cookie } = await setup.auth.signIn()
    const made = await setup.auth.post('/organization/create', { name: 'Acme' }, { cookie })
    organizations.push({ cookie, id: ((await made.json()) as { id: string }).id })
  }
  const invite = async (n: number, more: object = {}) => {
    const { cookie, id: organizationId } = organizations[n % 3] as { cookie: string; id: string }
    const body = { email, role: 'VIEWER', organizationId, resend: true, ...more }
    const answer = await auth.post('/organization/invite-member', body, { cookie, ...somewhere() })
    return [answer.status, await codeIn(answer)]
  }
  // Nothing is sent for these, and they count for nothing.
  for (let n = 0; n < 12; n += 1) {
    expect((await invite(n, { role: 'NOBODY' }))[0]).toBe(400)
    expect((await invite(n, { organizationId: organizations[(n + 1) % 3]?.id }))[0]).toBe(400)
  }
  for (let n = 0; n < 10; n += 1) expect((await invite(n))[0]).toBe(200)
  for (let n = 0; n < 20; n += 1) expect(await invite(n)).toEqual([429, 'too_many_requests'])
  // Without an id it is the active organization, which is the same.
  for (const organizationId of ['', undefined]) {
    expect(await invite(0, { organizationId })).toEqual([429, 'too_many_requests'])
  }
  expect(await mailsTo(email, auth)).toBe(LIMIT)
  expect((await invite(0, { email: 'somebody-else@example.com' }))[0]).toBe(200)
  passMinutes(61)
  expect((await invite(0))[0]).toBe(200)
})

test('an anonymous caller who sends invitations uses up nothing', async () => {
  const auth = limited()
  const { cookie } = await setup.auth.signIn()
  const made = await setup.auth.post('/organization/create', { name: 'Acme' }, { cookie })
  const { id: organizationId } = (await made.json()) as { id: string }
  const body = { email: 'quiet@example.com', role: 'VIEWER', organizationId }
  for (let n = 0; n < 15; n += 1) {
    expect((await auth.post('/organization/invite-member', body, somewhere())).status).toBe(401)
  }
  const sent = await auth.post('/organization/invite-member', body, { cookie, ...somewhere() })
  expect(sent.status).toBe(200)
})

test('undoing a change of address mails a reset, however many resets were mailed before', async () => {
  const auth = limited()
  const { cookie, email } = await setup.auth.signIn()
  for (let n = 0; n < 10; n += 1) {
    await auth.post('/request-password-reset', { email }, somewhere())
  }
  passMinutes(5)
  const change = { newEmail: 'moved@example.com', password: TEST_PASSWORD }
  expect((await auth.post('/change-email', change, { cookie, ...somewhere() })).status).toBe(200)
  await auth.settled()
  const [, token] = /token=([\w-]+)/.exec(auth.outbox.last('AddressChangeEmail').text) ?? []
  const before = auth.outbox.to(email).length
  expect((await auth.post('/change-email/undo', { token }, somewhere())).status).toBe(200)
  await auth.settled()
  const mails = auth.outbox.to(email).slice(before)
  expect(mails.map(({ template }) => template)).toEqual(['PasswordResetEmail'])
})
