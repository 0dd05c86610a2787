/** An owner takes an account back from a thief who has moved it to another mailbox: what must not come after that. */

import { expect, test } from 'vitest'
import { cookiesOf, TEST_PASSWORD } from '../testing.ts'
import { codeOf, secretIn } from './authenticator.ts'
import { byLink, byPassword, codeIn, personWithFactor } from './people.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth({ twoFactor: true })
const NEW = 'the owner’s new password'
const THEIRS = 'the thief’s own password'
let count = 0

const post = (path: string, body: object, cookie = '') => setup.auth.post(path, body, { cookie })

/** The tokens in the mails of a template to an address, the oldest first. */
async function tokensOf(template: string, to: string): Promise<string[]> {
  await setup.auth.settled()
  const mails = setup.auth.outbox.to(to).filter((mail) => mail.template === template)
  return mails.flatMap(({ text }) => /[?&]token=([^\s&]+)/.exec(text)?.[1] ?? [])
}

/** Changes the address of the account with this session, and confirms it. */
async function move(cookie: string, newEmail: string, password = TEST_PASSWORD): Promise<void> {
  expect((await post('/change-email', { newEmail, password }, cookie)).status).toBe(200)
  const token = (await tokensOf('NewAddressEmail', newEmail)).at(-1)
  expect((await post('/change-email/confirm', { token }, cookie)).status).toBe(200)
}

/** Somebody whose account a thief, who had the password, has moved to the thief's mailbox. */
async function robbed() {
  count += 1
  const owner = await setup.auth.signIn()
  const evil = `evil-${count}@example.com`
  const thief = await byPassword(setup.auth, owner.email)
  await move(thief, evil)
  return { ...owner, evil, thief }
}
const addressOf = async (id: string) =>
  (await setup.db.user.findUniqueOrThrow({ where: { id } })).email
const undo = async (email: string) =>
  post('/change-email/undo', { token: (await tokensOf('AddressChangeEmail', email)).at(-1) })

test('a new address gets no undo link while the change that brought it can be undone', async () => {
  const { userId, email, evil, cookie } = await robbed()
  // The owner still has a session: another password, and the address back.
  const body = { currentPassword: TEST_PASSWORD, newPassword: NEW }
  const changed = await post('/change-password', body, cookie)
  await move(cookiesOf(changed), email, NEW)
  await setup.auth.settled()
  const told = setup.auth.outbox.to(evil).filter((mail) => mail.template === 'AddressChangeEmail')
  expect(told.map(({ subject }) => subject)).toHaveLength(2)
  expect(await tokensOf('AddressChangeEmail', evil)).toEqual([])
  expect(await addressOf(userId)).toBe(email)
})

test('an undo deletes an account that a mailed link made at the old address, unless it has more than the address', async () => {
  const first = await robbed()
  const cookie = await byLink(setup.auth, first.email)
  const other = await setup.db.user.findUniqueOrThrow({ where: { email: first.email } })
  expect(other.id).not.toBe(first.userId)
  expect((await undo(first.email)).status).toBe(200)
  expect(await addressOf(first.userId)).toBe(first.email)
  // Nobody reaches the other one any more, and the job deletes it with unconfirmed sign-ups.
  expect(
    await setup.auth.getSession(setup.auth.request('/', { cookie }), { fresh: true }),
  ).toBeNull()
  expect(await setup.db.user.findUniqueOrThrow({ where: { id: other.id } })).toMatchObject({
    email: `${other.id}@moved-aside.tollgate.invalid`,
    emailVerified: false,
  })
  const where = { userId: other.id, action: 'address_given_up' }
  expect(await setup.db.auditLog.count({ where })).toBe(1)

  const second = await robbed()
  const founder = await byLink(setup.auth, second.email)
  expect((await post('/organization/create', { name: 'Acme' }, founder)).status).toBe(200)
  const refused = await undo(second.email)
  expect([refused.status, await codeIn(refused)]).toEqual([409, 'email_taken'])
  expect(await addressOf(second.userId)).toBe(second.evil)
})

test('a second factor dates from its first code, however old its secret is', async () => {
  const owner = await setup.auth.signIn()
  const enabled = await post('/two-factor/enable', { password: TEST_PASSWORD }, owner.cookie)
  const { totpURI } = (await enabled.json()) as { totpURI: string }
  const ago = new Date(Date.now() - 3 * 86_400_000)
  await setup.db.twoFactor.update({
    where: { userId: owner.userId },
    data: { secretSetAt: ago, backupCodesSetAt: ago },
  })
  const evil = 'prepared@example.com'
  await move(owner.cookie, evil)
  const code = await codeOf(secretIn(totpURI), 0)
  expect((await post('/two-factor/verify-totp', { code }, owner.cookie)).status).toBe(200)
  expect((await undo(owner.email)).status).toBe(200)
  expect(await setup.db.twoFactor.count({ where: { userId: owner.userId } })).toBe(0)
  const [token] = await tokensOf('PasswordResetEmail', owner.email)
  expect((await post('/reset-password', { token, newPassword: NEW })).status).toBe(200)
  const signedIn = await post('/sign-in/email', { email: owner.email, password: NEW })
  const session = await setup.auth.getSession(
    setup.auth.request('/', { cookie: cookiesOf(signedIn) }),
  )
  expect(session).toMatchObject({ userId: owner.userId })
})

test('an undo removes a second factor whose secret was shown since, and its owner is told', async () => {
  const { userId, email, cookie } = await personWithFactor(setup.auth)
  const ago = new Date(Date.now() - 30 * 86_400_000)
  await setup.db.twoFactor.updateMany({
    where: { userId },
    data: { secretSetAt: ago, backupCodesSetAt: ago },
  })
  const wrong = await post('/two-factor/get-totp-uri', { password: 'not the password' }, cookie)
  expect(wrong.status).toBe(400)
  expect(await setup.db.twoFactor.count({ where: { userId, secretSetAt: ago } })).toBe(1)
  const shown = await post('/two-factor/get-totp-uri', { password: TEST_PASSWORD }, cookie)
  expect(shown.status).toBe(200)
  await move(cookie, 'shown@example.com')
  expect((await undo(email)).status).toBe(200)
  expect(await setup.db.twoFactor.count({ where: { userId } })).toBe(0)
  await setup.auth.settled()
  const alerts = setup.auth.outbox.to(email).map(({ subject }) => subject)
  expect(alerts).toContain('The secret of your second factor was shown')
})

test('a change that a later change replaced stays invalid when the later change is undone', async () => {
  const { userId, email, cookie } = await setup.auth.signIn()
  await post('/change-email', { newEmail: 'first@example.com' }, cookie)
  const [first] = await tokensOf('NewAddressEmail', 'first@example.com')
  await move(cookie, 'second@example.com')
  expect((await undo(email)).status).toBe(200)
  const own = await byLink(setup.auth, email)
  const late = await post('/change-email/confirm', { token: first }, own)
  expect([late.status, await codeIn(late)]).toEqual([400, 'invalid_token'])
  expect(await addressOf(userId)).toBe(email)
})

const REPLACES: { [what: string]: (email: string, cookie: string) => Promise<Response> } = {
  'a reset': async (email) => {
    await post('/request-password-reset', { email })
    const token = (await tokensOf('PasswordResetEmail', email)).at(-1)
    return post('/reset-password', { token, newPassword: NEW })
  },
  'a changed password': (_, cookie) =>
    post('/change-password', { currentPassword: TEST_PASSWORD, newPassword: NEW }, cookie),
}
test.each(Object.entries(REPLACES))(
  '%s invalidates links to choose a password and changes that wait',
  async (_, replace) => {
    const { userId, email, cookie } = await setup.auth.signIn()
    const newEmail = `waiting-${++count}@example.com`
    await post('/change-email', { newEmail }, cookie)
    await post('/request-password-reset', { email })
    const [copied] = await tokensOf('PasswordResetEmail', email)
    expect((await replace(email, cookie)).status).toBe(200)
    const reset = await post('/reset-password', { token: copied, newPassword: THEIRS })
    expect([reset.status, await codeIn(reset)]).toEqual([400, 'invalid_token'])
    const own = cookiesOf(await post('/sign-in/email', { email, password: NEW }))
    const [token] = await tokensOf('NewAddressEmail', newEmail)
    const late = await post('/change-email/confirm', { token }, own)
    expect([late.status, await codeIn(late)]).toEqual([400, 'invalid_token'])
    expect(await addressOf(userId)).toBe(email)
  },
)
