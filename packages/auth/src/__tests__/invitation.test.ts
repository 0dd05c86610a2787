/** Invitations: who may send which, and the many ways in which one is not good. */

import { expect, test } from 'vitest'
import { setUpAuth } from './setup.ts'
import { createTeam, type Member, type Person } from './team.ts'

const setup = setUpAuth()
const { person, act, read, found, join, sessionOf, owners } = createTeam(setup)

async function invite(who: Person, email: string, role: unknown = 'MANAGER', more: object = {}) {
  const { status, body } = await act(who, 'invite-member', { email, role, ...more })
  return { status, code: body?.code, id: String(body?.id) }
}
const accept = (who: Person | null, invitationId: string) =>
  act(who, 'accept-invitation', { invitationId })
const memberships = (who: Person) => setup.db.member.findMany({ where: { userId: who.userId } })
const statusOf = async (id: string) =>
  (await setup.db.invitation.findUniqueOrThrow({ where: { id } })).status

test('an invited person accepts, is a member in that role, and acts for the organization', async () => {
  const { organizationId, owner } = await found()
  const bob = await person()
  // As people write addresses.
  const { id } = await invite(owner, `  ${bob.email}`.trim().replace('user', 'USER'))
  await setup.auth.settled()
  const mail = setup.auth.outbox.last('TeamInviteEmail')
  expect(mail.to).toBe(bob.email)
  expect(mail.text).toContain(`https://localhost:3000/accept-invitation?id=${id}`)
  expect((await read(bob, `get-invitation?id=${id}`)).body).toMatchObject({ role: 'MANAGER' })
  expect((await accept(bob, id)).status).toBe(200)
  expect(await sessionOf(bob)).toMatchObject({ organizationId, organizationRole: 'MANAGER' })
  expect(await statusOf(id)).toBe('accepted')
})

test('the invited person is recognized by the address in any letter case', async () => {
  const { owner } = await found()
  const bob = await person()
  await setup.db.user.update({
    where: { id: bob.userId },
    data: { email: bob.email.replace('user', 'User') },
  })
  const { id } = await invite(owner, bob.email)
  expect((await accept(bob, id)).status).toBe(200)
})

test('an invitation works for one person, once', async () => {
  const { organizationId, owner } = await found()
  const [bob, eve] = [await person(), await person()]
  const { id } = await invite(owner, bob.email)
  expect((await accept(null, id)).status).toBe(401)
  expect((await accept(eve, id)).status).toBe(403)
  expect((await read(eve, `get-invitation?id=${id}`)).status).toBe(403)
  const answers = await Promise.all([1, 2, 3, 4, 5].map(() => accept(bob, id)))
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400, 400])
  expect(await memberships(bob)).toHaveLength(1)
  expect(await memberships(eve)).toEqual([])

  await act(owner, 'remove-member', { memberIdOrEmail: bob.email })
  expect((await accept(bob, id)).status).toBe(400)
  expect(await setup.db.member.count({ where: { organizationId } })).toBe(1)
})

test.each([
  [
    'has expired',
    async (id: string) =>
      setup.db.invitation.update({ where: { id }, data: { expiresAt: new Date(Date.now() - 1) } }),
  ],
  [
    'was canceled',
    async (id: string, owner: Person) => act(owner, 'cancel-invitation', { invitationId: id }),
  ],
  [
    'was rejected',
    async (id: string, _: Person, bob: Person) =>
      act(bob, 'reject-invitation', { invitationId: id }),
  ],
  [
    'comes from somebody who has left since',
    async (id: string, owner: Member) => {
      const { organizationId } = await setup.db.invitation.findUniqueOrThrow({ where: { id } })
      await join(organizationId, 'OWNER')
      expect((await act(owner, 'leave', { organizationId })).status).toBe(200)
    },
  ],
  [
    'comes from somebody who may no longer send it',
    async (id: string, owner: Member) => {
      const { organizationId } = await setup.db.invitation.findUniqueOrThrow({ where: { id } })
      const other = await join(organizationId, 'OWNER')
      await act(other, 'update-member-role', { memberId: owner.memberId, role: 'VIEWER' })
    },
  ],
])('an invitation that %s makes nobody a member', async (_, spoil) => {
  const { owner } = await found()
  const bob = await person()
  const { id } = await invite(owner, bob.email)
  await spoil(id, owner, bob)
  const { status, body } = await accept(bob, id)
  expect([status, body.code]).toEqual([400, 'invitation_not_found'])
  expect(await memberships(bob)).toEqual([])
  expect(await sessionOf(bob)).toMatchObject({ organizationId: null })
})

test('an unknown invitation is refused', async () => {
  expect((await accept(await person(), 'nope')).status).toBe(400)
  expect((await accept(await person(), '')).status).toBe(400)
})

test('a person who has not confirmed the address cannot accept', async () => {
  const { owner } = await found()
  const bob = await person()
  const { id } = await invite(owner, bob.email)
  await setup.db.user.update({ where: { id: bob.userId }, data: { emailVerified: false } })
  expect((await accept(bob, id)).status).toBe(403)
  expect((await read(bob, `get-invitation?id=${id}`)).status).toBe(403)
  expect(await memberships(bob)).toEqual([])
  expect(await statusOf(id)).toBe('pending')
})

test('nobody invites into a role above their own, and inviting needs a permission', async () => {
  const { organizationId, owner } = await found()
  const admin = await join(organizationId, 'ADMIN')
  expect((await invite(admin, 'a@example.com', 'OWNER')).status).toBe(403)
  expect((await invite(admin, 'b@example.com', 'ADMIN')).status).toBe(200)
  expect((await invite(owner, 'c@example.com', 'OWNER')).status).toBe(200)
  for (const role of ['MANAGER', 'OPERATOR', 'VIEWER'] as const) {
    const who = await join(organizationId, role)
    expect((await invite(who, 'd@example.com', role)).status).toBe(403)
  }
  const { owner: stranger } = await found()
  const outside = await invite(stranger, 'e@example.com', 'VIEWER', { organizationId })
  expect(outside.status).toBe(400)
  const sent = await setup.db.invitation.findMany({ where: { organizationId } })
  expect(sent.map(({ email }) => email).sort()).toEqual(['b@example.com', 'c@example.com'])
})

test.each([
  'owner',
  'admin',
  'member',
  'USER',
  'OWNER,VIEWER',
  ['ADMIN', 'VIEWER'],
  '',
  [],
  null,
  7,
])('an invitation into the role %j is refused', async (role) => {
  const { organizationId, owner } = await found()
  expect((await invite(owner, 'x@example.com', role)).status).toBe(400)
  expect(await setup.db.invitation.count({ where: { organizationId } })).toBe(0)
})

test.each(['', 'nope', 'a@', '@b.c', `${'x'.repeat(400)}@example.com`])(
  'an invitation to %j is refused',
  async (email) => {
    const { organizationId, owner } = await found()
    expect((await invite(owner, email)).status).toBe(400)
    expect(await setup.db.invitation.count({ where: { organizationId } })).toBe(0)
  },
)

test('a member is not invited again; an invited person is not invited twice but can be reminded', async () => {
  const { organizationId, owner } = await found()
  const bob = await join(organizationId, 'VIEWER')
  expect((await invite(owner, bob.email)).status).toBe(400)
  const first = await invite(owner, 'twice@example.com')
  expect((await invite(owner, 'twice@example.com')).code).toMatch(/already_invited/)
  await setup.auth.settled()
  const mails = setup.auth.outbox.to('twice@example.com').length
  expect(await invite(owner, 'twice@example.com', 'MANAGER', { resend: true })).toMatchObject({
    status: 200,
    id: first.id,
  })
  await setup.auth.settled()
  expect(setup.auth.outbox.to('twice@example.com').length).toBe(mails + 1)
})

test('a removed member cannot come back by an old invitation', async () => {
  const { organizationId, owner } = await found()
  const bob = await person()
  const { id } = await invite(owner, bob.email)
  const member = await join(organizationId, 'VIEWER', bob)
  expect((await accept(bob, id)).body.code).toBe('user_is_already_a_member_of_this_organization')
  expect(await statusOf(id)).toBe('pending')
  await act(owner, 'remove-member', { memberIdOrEmail: member.memberId })
  expect(await statusOf(id)).toBe('canceled')
  expect((await accept(bob, id)).status).toBe(400)
  expect(await memberships(bob)).toEqual([])
})

test('a used invitation stays used, whatever is requested afterwards', async () => {
  const { owner } = await found()
  const bob = await person()
  const { id } = await invite(owner, bob.email)
  await accept(bob, id)
  expect((await act(owner, 'cancel-invitation', { invitationId: id })).status).toBe(400)
  expect((await act(bob, 'reject-invitation', { invitationId: id })).status).toBe(400)
  expect(await statusOf(id)).toBe('accepted')
})

test('only members who may invite can cancel an invitation, and only in their own organization', async () => {
  const { organizationId, owner } = await found()
  const viewer = await join(organizationId, 'VIEWER')
  const { owner: stranger } = await found()
  const { id } = await invite(owner, 'kept@example.com')
  expect((await act(viewer, 'cancel-invitation', { invitationId: id })).status).toBe(403)
  expect((await act(stranger, 'cancel-invitation', { invitationId: id })).status).toBe(400)
  expect(await statusOf(id)).toBe('pending')
})

test('an owner can be invited, and then the organization has two owners', async () => {
  const { organizationId, owner } = await found()
  const bob = await person()
  const { id } = await invite(owner, bob.email, 'OWNER')
  expect((await accept(bob, id)).status).toBe(200)
  expect(await owners(organizationId)).toBe(2)
  expect((await act(owner, 'leave', { organizationId })).status).toBe(200)
})
