/** What a person acts for right after signing in. */

import { expect, test } from 'vitest'
import { cookiesOf, TEST_PASSWORD, tokenOf } from '../testing.ts'
import { setUpAuth } from './setup.ts'
import { createTeam, type Person } from './team.ts'

const setup = setUpAuth()
const { person, act, found, join } = createTeam(setup)

const actsFor = async (cookie: string) =>
  (await setup.auth.requireAuth(setup.auth.request('/', { cookie }))).organizationId
const byPassword = async ({ email }: Person) =>
  cookiesOf(await setup.auth.post('/sign-in/email', { email, password: TEST_PASSWORD }))
async function byLink({ email }: Person): Promise<string> {
  await setup.auth.post('/sign-in/magic-link', { email })
  await setup.auth.settled()
  const token = tokenOf(setup.auth.outbox, 'MagicLinkEmail')
  return cookiesOf(await setup.auth.post('/sign-in/magic-link/confirm', { token }))
}
const switchTo = (who: Person, organizationId: string | null) =>
  act(who, 'set-active', { organizationId })

test('a sign-in opens the organization that the person acted for last, by every way in', async () => {
  const first = await found()
  const second = await found()
  const who = await join(first.organizationId, 'VIEWER')
  await join(second.organizationId, 'MANAGER', who)
  for (const signIn of [byPassword, byLink]) {
    expect(await actsFor(await signIn(who))).toBe(second.organizationId)
  }
  await switchTo(who, first.organizationId)
  await setup.auth.post('/sign-out', {}, { cookie: await byPassword(who) })
  for (const signIn of [byPassword, byLink]) {
    const cookie = await signIn(who)
    expect(await actsFor(cookie)).toBe(first.organizationId)
    // Also where the row is read, and not the token.
    const session = await setup.auth.getSession(setup.auth.request('/', { cookie }), {
      fresh: true,
    })
    expect(session).toMatchObject({ organizationRole: 'VIEWER' })
  }
})

test('creating an organization and accepting an invitation are remembered, too', async () => {
  const { organizationId, owner } = await found()
  expect(await actsFor(await byPassword(owner))).toBe(organizationId)
  const who = await person()
  await found()
  await act(owner, 'invite-member', { email: who.email, role: 'VIEWER', organizationId })
  const invitation = await setup.db.invitation.findFirstOrThrow({ where: { email: who.email } })
  await act(who, 'accept-invitation', { invitationId: invitation.id })
  expect(await actsFor(await byPassword(who))).toBe(organizationId)
})

test('a person who chose no organization still acts for none', async () => {
  const { owner } = await found()
  await switchTo(owner, null)
  expect(await actsFor(await byPassword(owner))).toBeNull()
})

test('a person who never chose acts for their only organization, or for none of several', async () => {
  const first = await found()
  const who = await person()
  const row = { userId: who.userId, role: 'VIEWER' }
  await setup.db.member.create({
    data: { ...row, id: `a-${who.userId}`, organizationId: first.organizationId },
  })
  expect(await actsFor(await byPassword(who))).toBe(first.organizationId)
  await setup.db.lastOrganization.deleteMany({ where: { userId: who.userId } })
  const second = await found()
  await setup.db.member.create({
    data: { ...row, id: `b-${who.userId}`, organizationId: second.organizationId },
  })
  expect(await actsFor(await byPassword(who))).toBeNull()
  expect(await actsFor(await byPassword(await person()))).toBeNull()
})

test('an organization that was left or deleted, or that removed the person, is not opened', async () => {
  const kept = await found()
  const left = await found()
  const who = await join(kept.organizationId, 'VIEWER')
  await join(left.organizationId, 'VIEWER', who)
  await act(who, 'leave', { organizationId: left.organizationId })
  // Leaving is no choice to act alone: there is one organization, and it is that one.
  expect(await actsFor(await byPassword(who))).toBe(kept.organizationId)

  const removing = await found()
  const member = await join(removing.organizationId, 'VIEWER', who)
  await act(removing.owner, 'remove-member', { memberIdOrEmail: member.memberId })
  expect(await actsFor(await byPassword(who))).toBe(kept.organizationId)

  const gone = await found()
  await join(gone.organizationId, 'VIEWER', who)
  await act(gone.owner, 'delete', { organizationId: gone.organizationId })
  expect(await actsFor(await byPassword(who))).toBe(kept.organizationId)
})

test('a stranger’s request to act for an organization is not remembered', async () => {
  const { organizationId } = await found()
  const own = await found()
  expect((await switchTo(own.owner, organizationId)).status).toBe(403)
  const cookie = await byPassword(own.owner)
  expect([own.organizationId, null]).toContain(await actsFor(cookie))
})
