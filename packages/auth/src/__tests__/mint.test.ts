/** A new access token with everything that changes what it says. */

import { decodeJwt } from 'jose'
import { expect, test } from 'vitest'
import { cookiesOf, TEST_PASSWORD } from '../testing.ts'
import { accessTokenOf, withoutAccess } from './cookies.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()

/** What the new token in the answer says; throws where there is none. */
function claimsOf(answer: Response) {
  expect(answer.status).toBe(200)
  return decodeJwt<{ org?: string; orgRole?: string | null; role: string }>(
    accessTokenOf(cookiesOf(answer)),
  )
}

/** Somebody's browser, which keeps its session cookie. */
async function person() {
  const { cookie, userId, email } = await setup.auth.signIn()
  const own = withoutAccess(cookie)
  return {
    userId,
    email,
    cookie: own,
    post: (path: string, body: object) => setup.auth.post(path, body, { cookie: own }),
  }
}

test('a sign-in, a refresh and reading the session issue an access token', async () => {
  const { email, userId, post, cookie } = await person()
  const body = { email, password: TEST_PASSWORD }
  expect(claimsOf(await setup.auth.post('/sign-in/email', body))).toMatchObject({ sub: userId })
  expect(claimsOf(await post('/access/refresh', {}))).toMatchObject({ sub: userId })
  const asked = setup.auth.request('/api/auth/get-session', { cookie })
  expect(claimsOf(await setup.auth.handler(asked))).toMatchObject({ sub: userId })
})

test('creating, leaving and switching organizations, and a change of role, issue an access token', async () => {
  const owner = await person()
  const guest = await person()

  const created = await owner.post('/organization/create', { name: 'A', slug: `a-${owner.userId}` })
  const { id } = (await created.clone().json()) as { id: string }
  expect(claimsOf(created)).toMatchObject({ org: id, orgRole: 'OWNER' })

  const alone = await owner.post('/organization/set-active', { organizationId: null })
  expect(claimsOf(alone)).not.toHaveProperty('org')
  const back = await owner.post('/organization/set-active', { organizationId: id })
  expect(claimsOf(back)).toMatchObject({ org: id, orgRole: 'OWNER' })

  const invitation = { email: guest.email, role: 'VIEWER', organizationId: id }
  const invited = await owner.post('/organization/invite-member', invitation)
  const { id: invitationId } = (await invited.json()) as { id: string }
  const accepted = await guest.post('/organization/accept-invitation', { invitationId })
  expect(claimsOf(accepted)).toMatchObject({ org: id, orgRole: 'VIEWER' })
  const { member } = (await accepted.json()) as { member: { id: string } }

  await owner.post('/organization/update-member-role', { memberId: member.id, role: 'OWNER' })
  const own = await setup.db.member.findFirstOrThrow({ where: { userId: owner.userId } })
  const lowered = await owner.post('/organization/update-member-role', {
    memberId: own.id,
    role: 'ADMIN',
  })
  expect(claimsOf(lowered)).toMatchObject({ org: id, orgRole: 'ADMIN' })
  // The token that says so is not caught by the denial that the change has set off.
  const req = setup.auth.request('/', { cookie: cookiesOf(lowered) })
  expect(await setup.auth.requireRole(req, 'ADMIN')).toMatchObject({ organizationId: id })

  const left = await owner.post('/organization/leave', { organizationId: id })
  expect(claimsOf(left).orgRole ?? null).toBeNull()
  await expect(
    setup.auth.requireRole(setup.auth.request('/', { cookie: cookiesOf(left) }), 'ADMIN'),
  ).rejects.toMatchObject({ status: 403 })
})

test('a refused request and a sign-out issue no access token', async () => {
  const { post } = await person()
  const refused = await post('/organization/set-active', { organizationId: 'not-mine' })
  expect(refused.status).toBeGreaterThanOrEqual(400)
  expect(refused.headers.getSetCookie().join()).not.toContain('access_token=ey')
  const out = await post('/sign-out', {})
  expect(out.headers.getSetCookie().join()).not.toContain('access_token=ey')
})
