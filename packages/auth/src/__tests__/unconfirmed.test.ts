/** Who never confirmed an address is deleted after a while, and nobody else ever. */

import { expect, test } from 'vitest'
import { authCron } from '../jobs.ts'
import { purgeUnconfirmed } from '../sign-in/unconfirmed.ts'
import { createTestAuth, type TestAuth, tokenOf } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const deleted: string[] = []
const setup = setUpAuth({ events: { userDeleted: async ({ id }) => deleted.push(id) } })

const DAY_MS = 86_400_000
const daysAgo = (days: number) => new Date(Date.now() - days * DAY_MS)

let made = 0
/** Somebody who signed up so long ago, with a password. */
async function signedUp(days: number, data: { emailVerified?: boolean } = {}): Promise<string> {
  made += 1
  const id = `user-${made}`
  const email = `${id}@example.com`
  await setup.db.user.create({
    data: { id, name: 'Ada', email, createdAt: daysAgo(days), ...data },
  })
  await setup.db.account.create({
    data: { id, accountId: id, providerId: 'credential', userId: id, password: 'x' },
  })
  return id
}

/** A job, as a worker would. */
const run = (wanted: string, auth: TestAuth = setup.auth) => {
  const job = auth.jobs.find(({ name }) => name === wanted)
  return job?.run(job.parse({}), { id: '1', attempt: 1, signal: new AbortController().signal })
}
const purge = (auth?: TestAuth) => run('auth.purgeUnconfirmed', auth)
const remaining = async (ids: string[]) => {
  const found = await setup.db.user.findMany({ where: { id: { in: ids } } })
  return found.map(({ id }) => id).sort()
}

test('an unconfirmed user is deleted with the password after thirty days, and the host is told', async () => {
  const old = await signedUp(31)
  const young = await signedUp(29)
  await purge()
  expect(await remaining([old, young])).toEqual([young])
  expect(await setup.db.account.count({ where: { userId: old } })).toBe(0)
  await run('auth.deliverEvents')
  expect(deleted).toEqual([old])
})

test('a user with a verified address, an account, a passkey or a membership is never deleted', async () => {
  const verified = await signedUp(900, { emailVerified: true })
  const [linked, keyed, member] = [await signedUp(900), await signedUp(900), await signedUp(900)]
  await setup.db.account.create({
    data: { id: 'linked', accountId: '1', providerId: 'github', userId: linked },
  })
  await setup.db.passkey.create({
    data: {
      id: 'keyed',
      userId: keyed,
      publicKey: 'x',
      credentialID: 'x',
      counter: 0,
      deviceType: 'singleDevice',
      backedUp: false,
    },
  })
  await setup.db.organization.create({
    data: {
      id: 'org',
      name: 'Acme',
      slug: 'acme',
      members: { create: { id: 'member', userId: member, role: 'OWNER' } },
    },
  })
  await purge()
  const all = [verified, linked, keyed, member]
  expect(await remaining(all)).toEqual(all.sort())
})

test('a user who confirms while the job runs stays', async () => {
  const id = await signedUp(40)
  const email = `${id}@example.com`
  await setup.auth.post('/sign-in/magic-link', { email })
  await setup.auth.settled()
  const token = tokenOf(setup.auth.outbox, 'MagicLinkEmail')
  const [pressed] = await Promise.all([
    setup.auth.post('/sign-in/magic-link/confirm', { token }),
    purge(),
  ])
  // Whichever was first: they are in, as who they were or as somebody new.
  expect(pressed.status).toBeLessThan(500)
  if (pressed.status === 200) {
    expect(await setup.db.user.count({ where: { email, emailVerified: true } })).toBe(1)
  }

  const locked = await signedUp(40)
  await setup.db.$transaction(async (tx) => {
    await tx.user.update({ where: { id: locked }, data: { emailVerified: true } })
    await purge()
  })
  expect(await remaining([locked])).toEqual([locked])
})

test('users are deleted in batches, and the log shows their number and no user', async () => {
  const data = Array.from({ length: 1_201 }, (_, n) => ({
    id: `many-${n}`,
    name: 'Ada',
    email: `many-${n}@example.com`,
    createdAt: daysAgo(50),
  }))
  await setup.db.user.createMany({ data })
  const before = await setup.db.auditLog.count()
  expect(await purgeUnconfirmed(setup.db, 30)).toBe(1_201)
  expect(await setup.db.user.count({ where: { id: { startsWith: 'many-' } } })).toBe(0)
  const entries = await setup.db.auditLog.findMany({ orderBy: { id: 'asc' }, skip: before })
  expect(entries).toMatchObject(
    [500, 500, 201].map((count) => ({ action: 'users_purged', userId: null, detail: { count } })),
  )
  expect(JSON.stringify(entries)).not.toMatch(/many-|@|Ada/)
  expect(await purgeUnconfirmed(setup.db, 30)).toBe(0)
  expect(await setup.db.auditLog.count()).toBe(before + 3)
})

test('the days are an option, and never less than one', async () => {
  const auth = createTestAuth({ db: setup.db, keepUnconfirmedDays: 7 })
  const [eight, six] = [await signedUp(8), await signedUp(6)]
  await purge(auth)
  expect(await remaining([eight, six])).toEqual([six])
  const today = await signedUp(0.5)
  expect(await purgeUnconfirmed(setup.db, 0)).toBe(1)
  expect(await remaining([six, today])).toEqual([today])
  await auth.close()
})

test('cron runs the job', () => {
  expect(authCron.map(({ job }) => job)).toContain('auth.purgeUnconfirmed')
})
