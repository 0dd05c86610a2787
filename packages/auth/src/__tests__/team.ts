/** People of an organization, for tests: signed in, and acting for it. */

import type { OrganizationRole } from '../index.ts'
import type { Setup } from './setup.ts'

export interface Person {
  userId: string
  email: string
  cookie: string
}

export interface Member extends Person {
  memberId: string
}

export interface Answer {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: each endpoint answers in a shape of its own.
  body: any
}

export function createTeam(setup: Setup) {
  let count = 0
  let last: Promise<unknown> = Promise.resolve()

  /** Somebody new, signed in. One after the other, because each follows the newest mail. */
  function person(): Promise<Person> {
    const next = last.then(async () => {
      const { cookie, ...who } = await setup.auth.signIn()
      // Without the access token: each request sees what is so now.
      const cookies = cookie.split('; ').filter((one) => !one.includes('access_token='))
      return { ...who, cookie: cookies.join('; ') }
    })
    last = next.catch(() => {})
    return next
  }

  /** Posts to `/organization/<path>` and reads the answer. */
  async function act(who: Person | null, path: string, body: object): Promise<Answer> {
    const options = who ? { cookie: who.cookie } : {}
    const answer = await setup.auth.post(`/organization/${path}`, body, options)
    return { status: answer.status, body: await answer.json().catch(() => null) }
  }

  async function read(who: Person, path: string): Promise<Answer> {
    const answer = await setup.auth.handler(
      setup.auth.request(`/api/auth/organization/${path}`, { cookie: who.cookie }),
    )
    return { status: answer.status, body: await answer.json().catch(() => null) }
  }

  /** Somebody new who makes an organization and acts for it. */
  async function found(): Promise<{ organizationId: string; owner: Member }> {
    const owner = await person()
    count += 1
    const { body } = await act(owner, 'create', { name: `Acme ${count}` })
    return { organizationId: body.id, owner: { ...owner, memberId: body.members[0].id } }
  }

  /** Somebody who is a member in `role` and acts for the organization; new unless given. */
  async function join(
    organizationId: string,
    role: OrganizationRole,
    given?: Person,
  ): Promise<Member> {
    const who = given ?? (await person())
    const { id } = await setup.db.member.create({
      data: { id: `m-${organizationId}-${who.userId}`, organizationId, userId: who.userId, role },
    })
    await act(who, 'set-active', { organizationId })
    return { ...who, memberId: id }
  }

  const sessionOf = (who: Person) =>
    setup.auth.getSession(setup.auth.request('/', { cookie: who.cookie }))

  const roleOf = async (memberId: string) =>
    (await setup.db.member.findUnique({ where: { id: memberId } }))?.role ?? null

  const owners = (organizationId: string) =>
    setup.db.member.count({ where: { organizationId, role: 'OWNER' } })

  return { person, act, read, found, join, sessionOf, roleOf, owners }
}
