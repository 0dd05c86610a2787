/** Another e-mail address for an account: who is told, who confirms, and who can take it back. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { forgetEmailChanges } from '../account/email-change.ts'
import { storedPrefix } from '../database/verification.ts'
import { createAuth } from '../index.ts'
import { cookiesOf, createTestAuth, TEST_PASSWORD, type TestAuth, tokenOf } from '../testing.ts'
import { withoutAccess } from './cookies.ts'
import { setUpAuth } from './setup.ts'

const told: string[] = []
const setup = setUpAuth({ events: { emailChanged: async ({ id }) => told.push(id) } })
let limited: TestAuth
beforeAll(() => {
  limited = createTestAuth({ db: setup.db, rateLimit: true })
})
afterAll(async () => {
  await limited.settled()
  await limited.close()
})

const DAY_MS = 86_400_000
let count = 0
const newAddress = () => `new-${++count}@example.com`
const codeIn = async (answer: Response) => ((await answer.json()) as { code?: string }).code

const ask = (cookie: string, newEmail: string, more = {}) =>
  setup.auth.post('/change-email', { newEmail, ...more }, { cookie })
const confirm = (cookie: string, token: string) =>
  setup.auth.post('/change-email/confirm', { token }, { cookie })
const undo = (token: string) => setup.auth.post('/change-email/undo', { token })
/** Runs what is queued, and reads the token of the newest mail. */
async function mailed(template: string): Promise<string> {
  await setup.auth.settled()
  return tokenOf(setup.auth.outbox, template)
}
const addressOf = async (id: string) =>
  (await setup.db.user.findUniqueOrThrow({ where: { id } })).email
const mailsTo = (to: string, template: string) =>
  setup.auth.outbox.sent.filter((mail) => mail.to === to && mail.template === template)
const signIn = (email: string, password = TEST_PASSWORD) =>
  setup.auth.post('/sign-in/email', { email, password })
/** As if the person had signed in so long ago. */
const age = (userId: string, ms: number) =>
  setup.db.session.updateMany({
    where: { userId },
    data: { createdAt: new Date(Date.now() - ms) },
  })

/** Somebody who has changed the address, and the link that takes it back. */
async function changed() {
  const person = await setup.auth.signIn()
  const email = newAddress()
  await ask(person.cookie, email)
  const early = await mailed('AddressChangeEmail')
  const token = await mailed('NewAddressEmail')
  expect((await confirm(person.cookie, token)).status).toBe(200)
  return {
    ...person,
    old: person.email,
    email,
    early,
    undoToken: await mailed('AddressChangeEmail'),
  }
}

test('the new address confirms, the old address gets two mails, and the change is recorded and reported once', async () => {
  const { cookie, email: old, userId } = await setup.auth.signIn()
  const email = newAddress()
  expect((await ask(cookie, email)).status).toBe(200)
  const token = await mailed('NewAddressEmail')
  expect(mailsTo(old, 'AddressChangeEmail')).toHaveLength(1)
  expect(await addressOf(userId)).toBe(old)

  told.length = 0
  expect((await confirm(cookie, token)).status).toBe(200)
  await setup.auth.settled()
  expect(await addressOf(userId)).toBe(email)
  expect(told).toEqual([userId])
  expect(mailsTo(old, 'AddressChangeEmail').map(({ subject }) => subject)).toEqual([
    'Another address was requested for your account',
    'Your account has another address',
  ])
  expect(mailsTo(email, 'SecurityAlertEmail')[0]?.subject).toBe('Your account has this address now')
  expect((await signIn(old)).status).toBe(401)
  expect((await signIn(email)).status).toBe(200)

  const entries = await setup.db.auditLog.findMany({ where: { userId }, orderBy: { id: 'asc' } })
  const actions = entries.map(({ action }) => action)
  expect(actions.filter((action) => action.startsWith('email_'))).toEqual([
    'email_change_requested',
    'email_changed',
  ])
  expect(JSON.stringify(entries)).not.toContain('@')
  expect(await codeIn(await confirm(cookie, token))).toBe('invalid_token')
})

test('the mail to the new address contains no name and nothing else of the account', async () => {
  const { cookie, userId, email: old } = await setup.auth.signIn()
  await setup.db.user.update({ where: { id: userId }, data: { name: 'Win at evil.example' } })
  await ask(cookie, newAddress())
  await mailed('NewAddressEmail')
  const { subject, text, html } = setup.auth.outbox.last('NewAddressEmail')
  for (const part of [subject, text, html]) {
    expect(part).not.toContain('evil.example')
    expect(part).not.toContain(old)
  }
})

test('a queued mail shows neither address nor link', async () => {
  const { cookie, email: old } = await setup.auth.signIn()
  const email = newAddress()
  await ask(cookie, email)
  const [jobs] = await setup.db.$queryRaw<[{ text: string }]>`
    SELECT string_agg(payload::text, ' ') AS text FROM graphile_worker._private_jobs`
  expect(jobs.text).toContain('"account"')
  expect(jobs.text).not.toContain(email)
  expect(jobs.text).not.toContain(old)
  await setup.auth.settled()
})

test('a change needs the password, or a sign-in within the last quarter of an hour', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  await age(userId, 16 * 60_000)
  const stale = await ask(cookie, newAddress())
  expect([stale.status, await codeIn(stale)]).toEqual([403, 'recent_sign_in_required'])
  const empty = await ask(cookie, newAddress(), { password: '' })
  expect(await codeIn(empty)).toBe('recent_sign_in_required')
  const wrong = await ask(cookie, newAddress(), { password: 'wrong horse battery' })
  expect([wrong.status, await codeIn(wrong)]).toEqual([400, 'invalid_password'])
  expect(await setup.db.emailChange.count({ where: { userId } })).toBe(0)
  const failed = { userId, action: 'password_failed' }
  expect(await setup.db.auditLog.count({ where: failed })).toBe(1)
  expect((await ask(cookie, newAddress(), { password: TEST_PASSWORD })).status).toBe(200)
})

test('a request without a session, or without its second factor, changes nothing', async () => {
  const anonymous = await setup.auth.post('/change-email', { newEmail: newAddress() })
  expect(anonymous.status).toBe(401)
  const { cookie, userId } = await setup.auth.signIn()
  // The option is off here, and on at another service that shares the database.
  await setup.db.user.update({ where: { id: userId }, data: { twoFactorEnabled: true } })
  const pending = await ask(cookie, newAddress(), { password: TEST_PASSWORD })
  expect([pending.status, await codeIn(pending)]).toEqual([403, 'mfa_required'])
  expect(await setup.db.emailChange.count({ where: { userId } })).toBe(0)
})

test('text that is not an address, and a malformed body, is a 400 that changes nothing', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  const addresses = [
    ...['not an address', '@example.com', 'ada@', 'ada@exa mple.com', 'ada@@example.com', ''],
    // Letters that look like others, and one that lower-cases to another's.
    ...['\u0430da@example.com', '\u212aada@example.com'],
  ]
  for (const newEmail of addresses) {
    const answer = await ask(cookie, newEmail)
    const code = await codeIn(answer)
    expect([newEmail, answer.status, code?.toLowerCase()]).toEqual([newEmail, 400, 'invalid_email'])
  }
  const bodies = [
    ...[{}, { newEmail: 7 }, { newEmail: null }, { newEmail: ['a@example.com'] }, { newEmail: {} }],
    { newEmail: `${'a'.repeat(60_000)}@example.com` },
    ...[7, null, {}, ['x'], 'x'.repeat(60_000)].map((password) => ({
      newEmail: 'a@example.com',
      password,
    })),
  ]
  for (const body of bodies) {
    expect((await setup.auth.post('/change-email', body, { cookie })).status).toBe(400)
  }
  expect(await setup.db.emailChange.count({ where: { userId } })).toBe(0)
})

test('the present address in another letter case is refused as unchanged', async () => {
  const { cookie, email } = await setup.auth.signIn('Ada.Own@Example.com')
  for (const same of ['ada.own@example.com', 'ADA.OWN@EXAMPLE.COM', ` ${email} `]) {
    const answer = await ask(cookie, same)
    expect([answer.status, await codeIn(answer)]).toEqual([400, 'email_unchanged'])
  }
})

test('an address is stored in lower case, with its domain in ASCII', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  expect((await ask(cookie, 'New.One@Münchner.Example')).status).toBe(200)
  const token = await mailed('NewAddressEmail')
  expect(setup.auth.outbox.last('NewAddressEmail').to).toBe('new.one@xn--mnchner-n2a.example')
  expect((await confirm(cookie, token)).status).toBe(200)
  expect(await addressOf(userId)).toBe('new.one@xn--mnchner-n2a.example')
})

test('a taken address gets the same answer, and its owner gets a mail', async () => {
  const owner = await setup.auth.signIn()
  const { cookie, userId, email: old } = await setup.auth.signIn()
  const free = await ask(cookie, newAddress())
  await setup.auth.settled()
  const before = setup.auth.outbox.sent.length
  const taken = await ask(cookie, owner.email.toUpperCase())
  expect([taken.status, await taken.text()]).toEqual([free.status, await free.text()])
  await setup.auth.settled()
  const sent = setup.auth.outbox.sent.slice(before).map(({ to, template }) => [to, template])
  expect(sent.sort()).toEqual(
    [
      [owner.email, 'AccountExistsEmail'],
      // What the old mailbox gets does not tell either.
      [old, 'AddressChangeEmail'],
    ].sort(),
  )
  expect(await addressOf(userId)).toBe(old)
})

test('an unconfirmed sign-up does not keep its address from the person who proves it', async () => {
  const email = newAddress()
  await setup.auth.post('/sign-up/email', { name: 'Eve', email, password: TEST_PASSWORD })
  const squatter = await setup.db.user.findUniqueOrThrow({ where: { email } })
  await setup.auth.settled()
  const { cookie, userId } = await setup.auth.signIn()
  await ask(cookie, email)
  const token = await mailed('NewAddressEmail')
  expect((await confirm(cookie, token)).status).toBe(200)
  expect(await addressOf(userId)).toBe(email)
  expect(await setup.db.user.findUnique({ where: { id: squatter.id } })).toBeNull()
})

test('an address that was taken meanwhile is refused, and the link still works', async () => {
  const { cookie, userId, email: old } = await setup.auth.signIn()
  const email = newAddress()
  await ask(cookie, email)
  const token = await mailed('NewAddressEmail')
  const other = await setup.auth.signIn(email)
  const answer = await confirm(cookie, token)
  expect([answer.status, await codeIn(answer)]).toEqual([409, 'email_taken'])
  expect(await addressOf(userId)).toBe(old)
  await setup.db.user.delete({ where: { id: other.userId } })
  expect((await confirm(cookie, token)).status).toBe(200)
})

test('one of two accounts that confirm one address at the same time gets it', async () => {
  const email = newAddress()
  const one = await setup.auth.signIn()
  await ask(one.cookie, email)
  const first = await mailed('NewAddressEmail')
  const other = await setup.auth.signIn()
  await ask(other.cookie, email)
  const second = await mailed('NewAddressEmail')
  const answers = await Promise.all([confirm(one.cookie, first), confirm(other.cookie, second)])
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 409])
  expect(await setup.db.user.count({ where: { email } })).toBe(1)
})

test('the later of two changes of one account counts, also when both are requested at once', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  const [first, last] = [newAddress(), newAddress()]
  await ask(cookie, first)
  const replaced = await mailed('NewAddressEmail')
  await Promise.all([ask(cookie, last), ask(cookie, last)])
  await setup.auth.settled()
  expect(await codeIn(await confirm(cookie, replaced))).toBe('invalid_token')
  const tokens = mailsTo(last, 'NewAddressEmail').map(
    ({ text }) => /token=([\w-]+)/.exec(text)?.[1] ?? '',
  )
  // One that was replaced before its mail was sent gets none.
  expect([1, 2]).toContain(tokens.length)
  const answers = await Promise.all(tokens.map((token) => confirm(cookie, token)))
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
  expect(await addressOf(userId)).toBe(last)
})

test('the link works for the account that requested it, in a browser that is signed in to it, for an hour', async () => {
  const { cookie, userId, email: old } = await setup.auth.signIn()
  await ask(cookie, newAddress())
  const token = await mailed('NewAddressEmail')
  const stranger = await setup.auth.signIn()
  const theirs = await confirm(stranger.cookie, token)
  expect([theirs.status, await codeIn(theirs)]).toEqual([403, 'other_account'])
  expect((await confirm('', token)).status).toBe(401)
  expect(await addressOf(userId)).toBe(old)
  const identifier = { startsWith: storedPrefix('email-change') }
  await setup.db.verificationToken.updateMany({
    where: { identifier },
    data: { expiresAt: new Date(Date.now() - 1) },
  })
  expect(await codeIn(await confirm(cookie, token))).toBe('invalid_token')
})

test('a link that confirms undoes nothing, and a link that undoes confirms nothing', async () => {
  const { cookie, userId, email: old } = await setup.auth.signIn()
  await ask(cookie, newAddress())
  const undoToken = await mailed('AddressChangeEmail')
  const token = await mailed('NewAddressEmail')
  expect(await codeIn(await confirm(cookie, undoToken))).toBe('invalid_token')
  expect(await codeIn(await undo(token))).toBe('invalid_token')
  for (const path of ['/confirm-email', '/sign-in/magic-link/confirm']) {
    expect((await setup.auth.post(path, { token })).status).toBe(400)
  }
  expect(await addressOf(userId)).toBe(old)
})

test('the old address undoes a change: address, sessions, password, and everything added since', async () => {
  const person = await setup.auth.signIn()
  const { userId, email: old } = person
  // What the person had before.
  const key = { publicKey: 'x', counter: 0, deviceType: 'singleDevice', backedUp: false, userId }
  const years = new Date(Date.now() - 400 * DAY_MS)
  await setup.db.passkey.create({
    data: { ...key, id: `old-${userId}`, credentialID: `old-${userId}`, createdAt: years },
  })
  const account = { userId, accountId: userId }
  await setup.db.account.create({
    data: { ...account, id: `gh-${userId}`, providerId: 'github', createdAt: years },
  })
  await ask(person.cookie, newAddress())
  await setup.auth.settled()
  const token = tokenOf(setup.auth.outbox, 'NewAddressEmail')
  await confirm(person.cookie, token)
  const undoToken = await mailed('AddressChangeEmail')
  // What somebody else brings along, a part of it hours before the change.
  const hours = new Date(Date.now() - 20 * 3_600_000)
  await setup.db.passkey.create({
    data: { ...key, id: `new-${userId}`, credentialID: `new-${userId}`, createdAt: hours },
  })
  await setup.db.account.create({ data: { ...account, id: `gg-${userId}`, providerId: 'google' } })
  await setup.db.twoFactor.create({
    data: { id: `tf-${userId}`, userId, secret: 'x', backupCodes: '[]' },
  })
  await setup.db.user.update({ where: { id: userId }, data: { twoFactorEnabled: true } })
  await setup.db.userDeletion.create({ data: { userId, dueAt: new Date(Date.now() + DAY_MS) } })
  await setup.auth.post('/request-password-reset', { email: await addressOf(userId) })
  const reset = await mailed('PasswordResetEmail')

  expect((await undo(undoToken)).status).toBe(200)
  await setup.auth.settled()
  expect(await addressOf(userId)).toBe(old)
  expect(await setup.auth.getSession(setup.auth.request('/', person))).toBeNull()
  const { db } = setup
  const where = { userId }
  expect(await db.session.count({ where })).toBe(0)
  expect((await db.passkey.findMany({ where })).map(({ id }) => id)).toEqual([`old-${userId}`])
  expect((await db.account.findMany({ where })).map(({ id }) => id)).toEqual([`gh-${userId}`])
  expect(await db.twoFactor.count({ where })).toBe(0)
  expect(await db.userDeletion.count({ where })).toBe(0)
  expect((await signIn(old)).status).toBe(401)
  const answer = await setup.auth.post('/reset-password', {
    token: reset,
    newPassword: 'x'.repeat(12),
  })
  expect(answer.status).toBe(400)

  expect(mailsTo(old, 'PasswordResetEmail')).toHaveLength(1)
  const newPassword = 'a battery of horses'
  await setup.auth.post('/reset-password', {
    token: tokenOf(setup.auth.outbox, 'PasswordResetEmail'),
    newPassword,
  })
  expect((await signIn(old, newPassword)).status).toBe(200)
  expect(await codeIn(await undo(undoToken))).toBe('invalid_token')
  expect(await db.auditLog.count({ where: { userId, action: 'email_change_undone' } })).toBe(1)
})

test('an undo removes a second factor whose secret was replaced since the change', async () => {
  const { userId, cookie } = await setup.auth.signIn()
  const years = new Date(Date.now() - 400 * DAY_MS)
  const row = { id: `tf-${userId}`, userId, secret: 'x', backupCodes: '[]', secretSetAt: years }
  await setup.db.twoFactor.create({ data: row })
  await setup.db.user.update({ where: { id: userId }, data: { twoFactorEnabled: true } })
  await setup.db.session.updateMany({ where: { userId }, data: { aal: 2 } })
  await ask(cookie, newAddress())
  const kept = await mailed('AddressChangeEmail')
  expect((await undo(kept)).status).toBe(200)
  expect(await setup.db.twoFactor.count({ where: { userId } })).toBe(1)

  const again = await changed()
  const other = { ...row, id: `tf-${again.userId}`, userId: again.userId }
  await setup.db.twoFactor.create({ data: other })
  await setup.db.twoFactor.update({ where: { userId: again.userId }, data: { secret: 'theirs' } })
  expect((await undo(again.undoToken)).status).toBe(200)
  expect(await setup.db.twoFactor.count({ where: { userId: again.userId } })).toBe(0)
})

test('an undo removes backup codes that were made since the change, and keeps older ones', async () => {
  const withCodes = async (backupCodes: string[]) => {
    const { userId, cookie } = await setup.auth.signIn()
    const years = new Date(Date.now() - 400 * DAY_MS)
    const dates = { secretSetAt: years, backupCodesSetAt: years }
    const id = `tf-${userId}`
    const codes = JSON.stringify(backupCodes)
    await setup.db.twoFactor.create({
      data: { id, userId, secret: 'x', backupCodes: codes, ...dates },
    })
    await setup.db.user.update({ where: { id: userId }, data: { twoFactorEnabled: true } })
    await setup.db.session.updateMany({ where: { userId }, data: { aal: 2 } })
    await ask(cookie, newAddress())
    return { userId, undoToken: await mailed('AddressChangeEmail') }
  }
  const left = async (userId: string) =>
    JSON.parse((await setup.db.twoFactor.findUniqueOrThrow({ where: { userId } })).backupCodes)

  // A code that is used is taken out of the list, which is no new one.
  const own = await withCodes(['a', 'b', 'c'])
  const update = (userId: string, backupCodes: string) =>
    setup.db.twoFactor.update({ where: { userId }, data: { backupCodes } })
  await update(own.userId, '["a","c"]')
  expect((await undo(own.undoToken)).status).toBe(200)
  expect(await left(own.userId)).toEqual(['a', 'c'])

  const theirs = await withCodes(['a', 'b', 'c'])
  await update(theirs.userId, '["x","y"]')
  expect((await undo(theirs.undoToken)).status).toBe(200)
  expect(await left(theirs.userId)).toEqual([])
})

test('the first mail stops a change that waits, whose link then confirms nothing', async () => {
  const { cookie, email: old, userId } = await setup.auth.signIn()
  await ask(cookie, newAddress())
  const undoToken = await mailed('AddressChangeEmail')
  const token = await mailed('NewAddressEmail')
  expect((await undo(undoToken)).status).toBe(200)
  await setup.auth.settled()
  const newPassword = 'a battery of horses'
  const reset = tokenOf(setup.auth.outbox, 'PasswordResetEmail')
  await setup.auth.post('/reset-password', { token: reset, newPassword })
  const again = cookiesOf(await signIn(old, newPassword))
  expect(await codeIn(await confirm(again, token))).toBe('invalid_token')
  expect(await addressOf(userId)).toBe(old)
})

test('the first mail undoes its change and every later change', async () => {
  const { old, email, cookie, userId, early } = await changed()
  const third = newAddress()
  await ask(cookie, third, { password: TEST_PASSWORD })
  const token = await mailed('NewAddressEmail')
  await confirm(cookie, token)
  await setup.auth.settled()
  expect(await addressOf(userId)).toBe(third)
  expect((await undo(early)).status).toBe(200)
  await setup.auth.settled()
  expect(await addressOf(userId)).toBe(old)
  expect(mailsTo(third, 'AddressChangeEmail')).toHaveLength(1)
  // The address in between is told, and cannot take anything back.
  const between = mailsTo(email, 'AddressChangeEmail').map(({ text }) => text)
  expect(between.length).toBeGreaterThan(0)
  for (const text of between) expect(text).not.toContain('token=')
})

test('a second request does not invalidate the first mail’s link', async () => {
  const { cookie, email: old, userId } = await setup.auth.signIn()
  await ask(cookie, newAddress())
  const first = await mailed('AddressChangeEmail')
  const email = newAddress()
  await ask(cookie, email)
  const token = await mailed('NewAddressEmail')
  await confirm(cookie, token)
  expect(await addressOf(userId)).toBe(email)
  expect((await undo(first)).status).toBe(200)
  expect(await addressOf(userId)).toBe(old)
})

test('two links at the same time undo a change once, and neither works later', async () => {
  const { early, undoToken, userId, old } = await changed()
  const answers = await Promise.all([undo(early), undo(undoToken), undo(early)])
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400])
  expect(await addressOf(userId)).toBe(old)
  await setup.auth.settled()
  expect(mailsTo(old, 'PasswordResetEmail')).toHaveLength(1)
})

test('an undo does not take the old address from a new account, and the link still works', async () => {
  const { old, email, undoToken, userId, cookie } = await changed()
  const other = await setup.auth.signIn(old)
  const answer = await undo(undoToken)
  expect([answer.status, await codeIn(answer)]).toEqual([409, 'email_taken'])
  expect(await addressOf(userId)).toBe(email)
  expect(await setup.auth.getSession(setup.auth.request('/', { cookie }))).not.toBeNull()
  await setup.auth.deleteUser(other.userId)
  expect((await undo(undoToken)).status).toBe(200)
  expect(await addressOf(userId)).toBe(old)
})

test('an invitation to the old address stays with that address', async () => {
  const owner = await setup.auth.signIn()
  const made = await setup.auth.post('/organization/create', { name: 'Acme' }, owner)
  const { id: organizationId } = (await made.json()) as { id: string }
  const invited = await setup.auth.signIn()
  const body = { email: invited.email, role: 'VIEWER', organizationId }
  await setup.auth.post('/organization/invite-member', body, owner)
  await ask(invited.cookie, newAddress())
  const token = await mailed('NewAddressEmail')
  await confirm(invited.cookie, token)
  const [invitation] = await setup.db.invitation.findMany({ where: { organizationId } })
  expect(invitation).toMatchObject({ email: invited.email, status: 'pending' })
  const accept = { invitationId: invitation?.id }
  const answer = await setup.auth.post('/organization/accept-invitation', accept, invited)
  expect(answer.status).toBe(403)
})

test('an undo link lasts seven days, and the change is deleted after that', async () => {
  const { undoToken, userId, email } = await changed()
  const rows = await setup.db.verificationToken.findMany({
    where: { identifier: { startsWith: storedPrefix('email-change-undo') } },
  })
  const longest = Math.max(...rows.map(({ expiresAt }) => expiresAt.getTime()))
  expect(longest - Date.now()).toBeLessThanOrEqual(7 * DAY_MS)
  expect(longest - Date.now()).toBeGreaterThan(7 * DAY_MS - 600_000)
  await forgetEmailChanges(setup.db, 7)
  expect(await setup.db.emailChange.count({ where: { userId } })).toBe(1)
  await setup.db.verificationToken.updateMany({
    where: { identifier: { startsWith: storedPrefix('email-change-undo') } },
    data: { expiresAt: new Date(Date.now() - 1) },
  })
  expect(await codeIn(await undo(undoToken))).toBe('invalid_token')
  expect(await addressOf(userId)).toBe(email)
  await forgetEmailChanges(setup.db, 7, new Date(Date.now() + 8 * DAY_MS))
  expect(await setup.db.emailChange.count()).toBe(0)
})

test('with zero days to undo a change the mails carry no link, and the days have limits', async () => {
  const auth = createTestAuth({ db: setup.db, undoEmailChangeDays: 0 })
  const { cookie } = await auth.signIn('undo-none@example.com')
  await auth.post('/change-email', { newEmail: newAddress() }, { cookie })
  await auth.settled()
  expect(auth.outbox.last('AddressChangeEmail').text).not.toContain('token=')
  await auth.close()
  const options = { baseURL: 'http://localhost:3000', secret: 'x'.repeat(32), db: setup.db }
  for (const undoEmailChangeDays of [-1, 91, 1.5, Number.NaN]) {
    expect(() => createAuth({ ...options, undoEmailChangeDays })).toThrow('undoEmailChangeDays')
  }
})

test('an account can request five changes an hour', async () => {
  const { cookie, userId } = await limited.signIn('limited@example.com')
  const post = (body: object) =>
    limited.post('/change-email', body, { cookie: withoutAccess(cookie) })
  for (let n = 0; n < 5; n += 1) expect((await post({ newEmail: newAddress() })).status).toBe(200)
  const refused = await post({ newEmail: newAddress() })
  expect(refused.status).toBe(429)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3000)
  expect(await setup.db.emailChange.count({ where: { userId } })).toBe(5)
  // Many accounts do not fill one mailbox.
  const target = newAddress()
  for (const n of [1, 2, 3]) {
    const some = await limited.signIn(`many-${n}@example.com`)
    const answers: number[] = []
    for (let at = 0; at < 4; at += 1) {
      const options = { cookie: some.cookie, headers: { 'x-forwarded-for': `198.51.100.${n}` } }
      const asked = await limited.post('/change-email', { newEmail: target }, options)
      answers.push(asked.status)
    }
    expect(answers).toEqual(n < 3 ? [200, 200, 200, 200] : [200, 200, 429, 429])
  }
})
