/** What a host is told of users and members: each thing at least once, whatever fails. */

import { createTestLogger } from '@repo/core/testing'
import { expect, test } from 'vitest'
import { DELIVER_EVENTS } from '../events.ts'
import { createTestAuth } from '../testing.ts'
import { setUpAuth } from './setup.ts'
import { createTeam } from './team.ts'

const logger = createTestLogger()
const told: string[] = []
/** Names of events whose handler throws. */
const failing = new Set<string>()
/** Waited for by handlers, where there is one. */
let gate: Promise<void> | undefined
const note = (name: string) => async (about: { id: string; members?: number }) => {
  told.push([name, about.id, ...(about.members === undefined ? [] : [about.members])].join(' '))
  await gate
  if (failing.has(name)) throw new Error('the provider is away, says ada@example.com')
}
const setup = setUpAuth({
  logger,
  events: {
    userCreated: note('userCreated'),
    userDeleted: note('userDeleted'),
    emailChanged: note('emailChanged'),
    membersChanged: note('membersChanged'),
  },
})
const { person, act, found, join } = createTeam(setup)

const deliver = (auth: Pick<typeof setup.auth, 'jobs'> = setup.auth) =>
  auth.jobs.find(({ name }) => name === DELIVER_EVENTS)?.run({}, {} as never)
const waiting = () => setup.db.authEvent.findMany({ orderBy: { name: 'asc' } })
/** As if the pause before the next try were over. */
const later = () => setup.db.authEvent.updateMany({ data: { nextAttemptAt: new Date(0) } })
async function toldOf(work: () => Promise<unknown>): Promise<string[]> {
  await setup.auth.settled()
  await deliver()
  told.length = 0
  await work()
  await setup.auth.settled()
  await deliver()
  return [...told]
}

test('the host is told when a user is created, changes address and is deleted', async () => {
  let id = ''
  expect(
    await toldOf(async () => {
      id = (await person()).userId
    }),
  ).toEqual([`userCreated ${id}`])
  const rename = () => setup.db.user.update({ where: { id }, data: { name: 'Ada L.' } })
  expect(await toldOf(rename)).toEqual([])
  const move = () =>
    setup.db.user.update({ where: { id }, data: { email: `new-${id}@example.com` } })
  expect(await toldOf(move)).toEqual([`emailChanged ${id}`])
  expect(await toldOf(() => setup.db.user.delete({ where: { id } }))).toEqual([`userDeleted ${id}`])
  expect(await waiting()).toEqual([])
})

test('the host gets the number of members whenever it changes', async () => {
  const { organizationId: id, owner } = await found()
  let member = ''
  expect(
    await toldOf(async () => {
      member = (await join(id, 'VIEWER')).memberId
    }),
  ).toContain(`membersChanged ${id} 2`)
  const promote = () => act(owner, 'update-member-role', { memberId: member, role: 'ADMIN' })
  expect(await toldOf(promote)).toEqual([`membersChanged ${id} 2`])
  expect(await toldOf(() => act(owner, 'remove-member', { memberIdOrEmail: member }))).toEqual([
    `membersChanged ${id} 1`,
  ])
  expect(await toldOf(() => act(owner, 'delete', { organizationId: id }))).toEqual([
    `membersChanged ${id} 0`,
  ])
})

test('a refused command records no event', async () => {
  const { organizationId, owner } = await found()
  expect(await toldOf(() => act(owner, 'leave', { organizationId }))).toEqual([])
})

test('deleting a user reports the change in every organization of the user', async () => {
  const { organizationId } = await found()
  const { userId } = await join(organizationId, 'VIEWER')
  const events = await toldOf(() => setup.db.user.delete({ where: { id: userId } }))
  expect(events.sort()).toEqual([`membersChanged ${organizationId} 1`, `userDeleted ${userId}`])
})

test('an event whose handler throws is repeated, and other events are handled meanwhile', async () => {
  failing.add('userCreated')
  let id = ''
  const events = await toldOf(async () => {
    id = (await found()).owner.userId
  })
  expect(events.filter((event) => event.startsWith('userCreated'))).toEqual([`userCreated ${id}`])
  expect(events.some((event) => event.startsWith('membersChanged'))).toBe(true)
  const [row] = await waiting()
  expect(row).toMatchObject({ name: 'userCreated', subjectId: id, attempts: 1 })
  expect(row?.nextAttemptAt.getTime()).toBeGreaterThan(Date.now() + 30_000)
  expect(logger.text).toContain('it is called again later')
  expect(logger.text).not.toContain('@example.com')

  expect(await toldOf(async () => {})).toEqual([])
  expect(await toldOf(later)).toEqual([`userCreated ${id}`])
  expect((await waiting())[0]?.attempts).toBe(2)
  failing.clear()
  await later()
  await deliver()
  expect(await waiting()).toEqual([])
})

test('a change while a handler runs is reported once more', async () => {
  const { organizationId: id } = await found()
  const { userId } = await person()
  const events = await toldOf(async () => {
    let open = () => {}
    gate = new Promise((done) => {
      open = done
    })
    const row = { organizationId: id, role: 'VIEWER' }
    await setup.db.member.create({ data: { ...row, id: `first-${id}`, userId } })
    const delivery = deliver()
    await expect.poll(() => told).toContain(`membersChanged ${id} 2`)
    await setup.db.member.delete({ where: { id: `first-${id}` } })
    open()
    gate = undefined
    await delivery
  })
  expect(events.filter((event) => event.startsWith('membersChanged'))).toEqual([
    `membersChanged ${id} 2`,
    `membersChanged ${id} 1`,
  ])
})

test('a process that dies in a handler leaves the event to the next process', async () => {
  const id = 'died'
  await setup.db.authEvent.create({
    data: {
      name: 'userDeleted',
      subjectId: id,
      attempts: 1,
      nextAttemptAt: new Date(Date.now() - 1),
    },
  })
  expect(await toldOf(async () => {})).toEqual([])
  expect(await waiting()).toEqual([])
})

test('two processes handle each event once', async () => {
  const other = createTestAuth({ db: setup.db, events: { userDeleted: note('userDeleted') } })
  const events = await toldOf(async () => {
    await setup.db.authEvent.createMany({
      data: Array.from({ length: 20 }, (_, at) => ({ name: 'userDeleted', subjectId: `u${at}` })),
    })
    await Promise.all([deliver(), deliver(other)])
  })
  expect(events).toHaveLength(20)
  expect(new Set(events).size).toBe(20)
})

test('a user who is deleted before any event was handled is reported as deleted only', async () => {
  failing.add('userCreated')
  const { userId } = await person()
  await setup.auth.settled()
  failing.clear()
  const events = await toldOf(() => setup.db.user.delete({ where: { id: userId } }))
  expect(events).toContain(`userDeleted ${userId}`)
  await later()
  expect(await toldOf(async () => {})).toEqual([])
  expect(await waiting()).toEqual([])
})

test('an instance without a handler leaves the event to an instance that has one', async () => {
  const deaf = createTestAuth({ db: setup.db, events: { userCreated: note('other') } })
  await setup.db.authEvent.create({ data: { name: 'userDeleted', subjectId: 'kept' } })
  await deliver(deaf)
  expect(await waiting()).toMatchObject([{ subjectId: 'kept', attempts: 0 }])
  await setup.db.authEvent.updateMany({
    data: { createdAt: new Date(Date.now() - 31 * 86_400_000) },
  })
  await deliver(deaf)
  expect(await waiting()).toEqual([])
})
