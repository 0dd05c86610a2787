/** Deleting an account: asked for, waited for, cancelled, carried out, and what stands in its way. */

import { beforeAll, expect, test } from 'vitest'
import { deleteDueUsers } from '../account/deletion.ts'
import { createAuth } from '../index.ts'
import { cookiesOf, createTestAuth, TEST_PASSWORD, type TestAuth, tokenOf } from '../testing.ts'
import { authCron } from '../worker.ts'
import { setUpAuth } from './setup.ts'
import { createTeam, type Person } from './team.ts'

const told: string[] = []
const events = { userDeleted: async ({ id }: { id: string }) => told.push(id) }
const setup = setUpAuth({ events })
let atOnce: TestAuth
beforeAll(() => {
  atOnce = createTestAuth({ db: setup.db, deletionGraceDays: 0, events })
})
const { person, act, found, join } = createTeam(setup)

const DAY_MS = 86_400_000
const bodyOf = async (answer: Response) => [answer.status, await answer.json()]
const remove = (cookie: string, body: object = { password: TEST_PASSWORD }, auth = setup.auth) =>
  auth.post('/delete-user', body, { cookie })
const signIn = (email: string, auth = setup.auth) =>
  auth.post('/sign-in/email', { email, password: TEST_PASSWORD })
const subjects = async (email: string, auth = setup.auth) => {
  await auth.settled()
  const mails = auth.outbox.to(email)
  return mails
    .filter((mail) => mail.template === 'AccountDeletionEmail')
    .map((mail) => mail.subject)
}
const isThere = async (id: string) => (await setup.db.user.count({ where: { id } })) === 1
/** What the job does, as if so many days had passed. */
const due = (days: number, parts: object = {}) =>
  deleteDueUsers(
    { db: setup.db, mails: { request: async () => {} }, logger: console as never, ...parts },
    new Date(Date.now() + days * DAY_MS),
  )

test('an account is deleted thirty days after its owner asked, and the host is told', async () => {
  const who = await person()
  const other = cookiesOf(await signIn(who.email))
  const [status, body] = await bodyOf(await remove(who.cookie))
  expect(status).toBe(200)
  const dueAt = new Date((body as { deletionDueAt: string }).deletionDueAt)
  expect(Math.round((dueAt.getTime() - Date.now()) / DAY_MS)).toBe(30)
  for (const cookie of [who.cookie, other]) {
    expect(await setup.auth.getSession(setup.auth.request('/', { cookie }))).toBeNull()
  }
  await due(29)
  expect(await isThere(who.userId)).toBe(true)

  told.length = 0
  expect(await due(31)).toBeGreaterThan(0)
  expect(await isThere(who.userId)).toBe(false)
  // Any request tells the host of what is due.
  await signIn(who.email)
  await setup.auth.settled()
  expect(told).toEqual([who.userId])
  const { db } = setup
  for (const table of [db.session, db.account, db.member, db.emailChange, db.userDeletion]) {
    const rows = (table as typeof db.session).count({ where: { userId: who.userId } })
    expect(await rows).toBe(0)
  }
  const entries = await db.auditLog.findMany({ where: { userId: who.userId } })
  expect(entries.map(({ action }) => action)).toEqual(
    expect.arrayContaining(['deletion_requested', 'user_deleted']),
  )
})

test('the job runs each hour, and mails that the account is deleted', async () => {
  const who = await person()
  await remove(who.cookie)
  await setup.db.userDeletion.update({
    where: { userId: who.userId },
    data: { dueAt: new Date(Date.now() - 1) },
  })
  expect(authCron.find(({ job }) => job === 'auth.deleteUsers')?.pattern).toMatch(
    /^\d+ \* \* \* \*$/,
  )
  const job = setup.auth.jobs.find(({ name }) => name === 'auth.deleteUsers')
  await job?.run({}, {} as never)
  expect(await isThere(who.userId)).toBe(false)
  expect(await subjects(who.email)).toEqual([
    'Your account will be deleted',
    'Your account is deleted',
  ])
})

test('the answer to a deletion takes both cookies away', async () => {
  const { cookie } = await setup.auth.signIn()
  const lines = (await remove(cookie)).headers.getSetCookie()
  for (const name of ['session_token', 'access_token']) {
    expect(lines.some((line) => line.includes(`${name}=;`) && /max-age=0/i.test(line))).toBe(true)
  }
})

test('a sign-in before the deletion mentions it, by every way in, and the person can cancel it', async () => {
  const { email, userId, cookie } = await setup.auth.signIn()
  await remove(cookie)
  const answer = await signIn(email)
  expect(answer.status).toBe(200)
  const { deletionDueAt } = (await answer.clone().json()) as { deletionDueAt: string }
  expect(Date.parse(deletionDueAt)).toBeGreaterThan(Date.now() + 29 * DAY_MS)

  await setup.auth.post('/sign-in/magic-link', { email })
  await setup.auth.settled()
  const token = tokenOf(setup.auth.outbox, 'MagicLinkEmail')
  const byLink = await setup.auth.post('/sign-in/magic-link/confirm', { token })
  expect(await byLink.json()).toEqual({ status: true, deletionDueAt })

  const again = cookiesOf(answer)
  const req = () => setup.auth.request('/', { cookie: again })
  expect((await setup.auth.getUser(req()))?.deletionDueAt?.toISOString()).toBe(deletionDueAt)
  const cancel = () => setup.auth.post('/delete-user/cancel', {}, { cookie: again })
  expect((await cancel()).status).toBe(200)
  expect((await setup.auth.getUser(req()))?.deletionDueAt).toBeNull()
  await due(31)
  expect(await isThere(userId)).toBe(true)
  const [status, body] = await bodyOf(await cancel())
  expect([status, body]).toMatchObject([400, { code: 'deletion_not_scheduled' }])
  expect(await subjects(email)).toEqual([
    'Your account will be deleted',
    'Your account will not be deleted',
  ])
  expect(await (await signIn(email)).json()).not.toHaveProperty('deletionDueAt')
})

test('a deletion needs the password or a recent sign-in, and always the second factor', async () => {
  const who = await person()
  expect((await remove('')).status).toBe(401)
  const wrong = await bodyOf(await remove(who.cookie, { password: 'wrong horse battery' }))
  expect(wrong).toMatchObject([400, { code: 'invalid_password' }])
  await setup.db.session.updateMany({
    where: { userId: who.userId },
    data: { createdAt: new Date(Date.now() - 16 * 60_000) },
  })
  const stale = await bodyOf(await remove(who.cookie, {}))
  expect(stale).toMatchObject([403, { code: 'recent_sign_in_required' }])
  for (const password of [7, null, ['x'], {}]) {
    expect((await remove(who.cookie, { password })).status).toBe(400)
  }
  await setup.db.user.update({ where: { id: who.userId }, data: { twoFactorEnabled: true } })
  const pending = await bodyOf(await remove(who.cookie))
  expect(pending).toMatchObject([403, { code: 'mfa_required' }])
  expect(await setup.db.userDeletion.count({ where: { userId: who.userId } })).toBe(0)
})

test('an only owner has to hand over or delete the organizations first; the answer names them', async () => {
  const first = await found()
  const { owner } = first
  const { body: second } = await act(owner, 'create', { name: 'Second' })
  const shared = await found()
  await join(shared.organizationId, 'OWNER', owner)
  const answer = await bodyOf(await remove(owner.cookie))
  const organizationIds = [first.organizationId, second.id].sort()
  expect(answer).toMatchObject([409, { code: 'organizations_need_owner', organizationIds }])
  expect(await setup.auth.getSession(setup.auth.request('/', owner))).not.toBeNull()

  const heir = await join(first.organizationId, 'ADMIN')
  const hand = { memberId: heir.memberId, organizationId: first.organizationId }
  expect((await act(owner, 'transfer-ownership', hand)).status).toBe(200)
  expect((await act(owner, 'delete', { organizationId: second.id })).status).toBe(200)
  expect((await remove(owner.cookie)).status).toBe(200)
})

test('a person who becomes an only owner meanwhile gets one mail, and is deleted after handing over', async () => {
  const { organizationId, owner } = await found()
  const partner = await join(organizationId, 'OWNER')
  expect((await remove(partner.cookie)).status).toBe(200)
  expect((await act(owner, 'leave', { organizationId })).status).toBe(200)
  await setup.db.userDeletion.update({
    where: { userId: partner.userId },
    data: { dueAt: new Date(Date.now() - 1) },
  })
  const job = setup.auth.jobs.find(({ name }) => name === 'auth.deleteUsers')
  for (let n = 0; n < 2; n += 1) await job?.run({}, {} as never)
  expect(await isThere(partner.userId)).toBe(true)
  expect(await subjects(partner.email)).toEqual([
    'Your account will be deleted',
    'Your account could not be deleted',
  ])
  const where = { userId: partner.userId, action: 'deletion_blocked' }
  expect(await setup.db.auditLog.count({ where })).toBe(1)
  await join(organizationId, 'OWNER')
  await job?.run({}, {} as never)
  expect(await isThere(partner.userId)).toBe(false)
})

test('a second request keeps the first day, also at the same time, and one mail is sent', async () => {
  const who = await person()
  const answers = await Promise.all([remove(who.cookie), remove(who.cookie)])
  const days = await Promise.all(answers.map(async (answer) => (await bodyOf(answer))[1]))
  const answered = answers.filter(({ status }) => status === 200)
  expect(answered.length).toBeGreaterThan(0)
  for (const { status } of answers) expect([200, 401]).toContain(status)
  const again = cookiesOf(await signIn(who.email))
  expect((await bodyOf(await remove(again)))[1]).toMatchObject({
    deletionDueAt: (days[answers.indexOf(answered[0] as Response)] as { deletionDueAt: string })
      .deletionDueAt,
  })
  expect(await subjects(who.email)).toEqual(['Your account will be deleted'])
})

test('without days of grace the account is gone with the answer, and sign-ins at the same time fail', async () => {
  const { email, userId, cookie } = await atOnce.signIn('at-once@example.com')
  const [answer, ...signIns] = await Promise.all([
    remove(cookie, { password: TEST_PASSWORD }, atOnce),
    ...Array.from({ length: 8 }, () => signIn(email, atOnce)),
  ])
  expect(await bodyOf(answer)).toEqual([200, { status: true, deletionDueAt: null }])
  expect(await isThere(userId)).toBe(false)
  for (const { status } of signIns) expect([200, 401, 409]).toContain(status)
  for (const signedIn of signIns.filter(({ status }) => status === 200)) {
    const session = await atOnce.getSession(atOnce.request('/', { cookie: cookiesOf(signedIn) }))
    expect(session).toBeNull()
  }
  expect((await signIn(email, atOnce)).status).toBe(401)
  expect(await subjects(email, atOnce)).toEqual(['Your account is deleted'])
})

/** Deletes the user once `work` waits for the user's row, which it has found before. Returns its answer. */
async function overtaken(userId: string, work: () => Promise<Response>): Promise<Response> {
  let answer: Promise<Response> | undefined
  await setup.db.$transaction(
    async (tx) => {
      await tx.$queryRaw`SELECT 1 FROM "User" WHERE "id" = ${userId} FOR UPDATE`
      answer = work()
      const waiting = async () => {
        const [row] = await setup.db.$queryRaw<[{ count: number }]>`
          SELECT count(*)::int AS "count" FROM pg_stat_activity
          WHERE "datname" = current_database() AND "wait_event_type" = 'Lock'`
        return row.count
      }
      await expect.poll(waiting, { timeout: 60_000 }).toBe(1)
      await tx.user.delete({ where: { id: userId } })
    },
    { timeout: 120_000 },
  )
  return answer as Promise<Response>
}

test('the deletion overtakes a sign-in (409) and an invitation (401)', async () => {
  const first = await person()
  const late = await bodyOf(await overtaken(first.userId, () => signIn(first.email)))
  expect(late).toMatchObject([409, { code: 'conflict' }])

  const { organizationId, owner } = await found()
  const { email, userId, cookie } = await person()
  await act(owner, 'invite-member', { email, role: 'VIEWER', organizationId })
  const { id } = await setup.db.invitation.findFirstOrThrow({ where: { email } })
  const accept = () =>
    setup.auth.post('/organization/accept-invitation', { invitationId: id }, { cookie })
  expect((await overtaken(userId, accept)).status).toBe(401)
  expect(await setup.db.member.count({ where: { organizationId } })).toBe(1)
  // What the command did before it failed is undone.
  const invitation = await setup.db.invitation.findUniqueOrThrow({ where: { id } })
  expect(invitation.status).toBe('pending')
})

test('accepting an invitation and deleting the account at the same time leave both right', async () => {
  const { organizationId, owner } = await found()
  for (let n = 0; n < 4; n += 1) {
    const who = await atOnce.signIn(`invited-${n}@example.com`)
    const body = { email: who.email, role: 'OWNER', organizationId }
    expect((await act(owner, 'invite-member', body)).status).toBe(200)
    const invitation = await setup.db.invitation.findFirstOrThrow({ where: { email: who.email } })
    const accept = { invitationId: invitation.id }
    const [accepted, removed] = await Promise.all([
      atOnce.post('/organization/accept-invitation', accept, who),
      remove(who.cookie, { password: TEST_PASSWORD }, atOnce),
    ])
    expect([200, 400, 401, 403, 409]).toContain(accepted.status)
    expect(removed.status).toBe(200)
    expect(await isThere(who.userId)).toBe(false)
    expect(await setup.db.member.count({ where: { organizationId } })).toBe(1)
    expect(await setup.db.invitation.count({ where: { email: who.email } })).toBe(0)
  }
})

test('if one of two owners leaves while the other deletes the account, one of them stays', async () => {
  const { organizationId, owner } = await found()
  const partner = await join(organizationId, 'OWNER')
  const [left, removed] = await Promise.all([
    act(owner, 'leave', { organizationId }),
    remove(partner.cookie, { password: TEST_PASSWORD }, atOnce),
  ])
  expect([left.status, removed.status].sort()).toEqual(
    left.status === 200 ? [200, 409] : [200, 400].sort(),
  )
  const owners = { organizationId, role: 'OWNER' }
  expect(await setup.db.member.count({ where: owners })).toBe(1)
})

test('cancelling while the job runs either keeps or deletes the account', async () => {
  const who = await person()
  await remove(who.cookie)
  const again = cookiesOf(await signIn(who.email))
  const [, answer] = await Promise.all([
    due(31),
    setup.auth.post('/delete-user/cancel', {}, { cookie: again }),
  ])
  expect(await isThere(who.userId)).toBe(answer.status === 200)
  expect([200, 401]).toContain(answer.status)
})

test('a deletion that fails does not hold up others', async () => {
  await due(31)
  const people: Person[] = []
  for (let n = 0; n < 3; n += 1) people.push(await person())
  for (const { cookie } of people) await remove(cookie)
  const [first, second] = people.map(({ userId }) => userId).sort()
  const logged: object[] = []
  const logger = { error: (entry: object) => logged.push(entry) }
  const mails = {
    request: async ({ account }: { account: { to: string } }) => {
      const user = await setup.db.user.findUnique({ where: { email: account.to } })
      if (user?.id === first) throw new Error('the queue is away')
    },
  }
  expect(await due(31, { logger, mails })).toBe(2)
  expect(logged).toMatchObject([{ userId: first }])
  expect([await isThere(first ?? ''), await isThere(second ?? '')]).toEqual([true, false])
  await setup.db.user.delete({ where: { id: first ?? '' } })
})

test('a host deletes a user by id, but not an only owner', async () => {
  const { organizationId, owner } = await found()
  await expect(setup.auth.deleteUser(owner.userId)).rejects.toMatchObject({
    code: 'organizations_need_owner',
    status: 409,
    message: expect.stringContaining(organizationId),
  })
  const who = await person()
  await setup.auth.deleteUser(who.userId)
  expect(await isThere(who.userId)).toBe(false)
  expect(await setup.auth.getSession(setup.auth.request('/', who))).toBeNull()
  await setup.auth.deleteUser(who.userId)
  await setup.auth.deleteUser('never-was')
})

test('Better Auth’s own deletion link is off, and the days of grace have limits', async () => {
  const { cookie } = await person()
  const req = setup.auth.request('/api/auth/delete-user/callback?token=x', { cookie })
  expect((await setup.auth.handler(req)).status).toBe(404)
  const options = { baseURL: 'http://localhost:3000', secret: 'x'.repeat(32), db: setup.db }
  for (const deletionGraceDays of [-1, 366, 0.5, Number.NaN]) {
    expect(() => createAuth({ ...options, deletionGraceDays })).toThrow('deletionGraceDays')
  }
})
