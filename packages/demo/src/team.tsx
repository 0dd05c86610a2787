/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */

/**
 * The team pages: creating an organization, inviting, joining, changing roles, handing over, leaving. Each
 * form calls an endpoint of auth. A page shows what the reader's role may see and do.
 */

import type { Auth } from '@repo/auth'
import { type Context, Hono } from 'hono'
import type { Child, PropsWithChildren } from 'hono/jsx'
import { Card, Layout } from './layout.tsx'
import { Field, Notices } from './pages.tsx'

/** The page's forms, each with the endpoint that it calls. */
const FORMS: Record<string, { path: string; success: string; failure?: string }> = {
  '/team/create': { path: '/organization/create', success: '/team' },
  '/team/switch': { path: '/organization/set-active', success: '/team' },
  '/team/invite': { path: '/organization/invite-member', success: '/team?done=invited' },
  '/team/withdraw': { path: '/organization/cancel-invitation', success: '/team' },
  '/team/role': { path: '/organization/update-member-role', success: '/team?done=role' },
  '/team/remove': { path: '/organization/remove-member', success: '/team' },
  '/team/transfer': { path: '/organization/transfer-ownership', success: '/team?done=transferred' },
  '/team/leave': { path: '/organization/leave', success: '/team?done=left' },
  '/team/decline': { path: '/organization/reject-invitation', success: '/team' },
  '/accept-invitation': {
    path: '/organization/accept-invitation',
    success: '/team?done=joined',
    failure: '/accept-invitation',
  },
}

const ROLES = ['VIEWER', 'OPERATOR', 'MANAGER', 'ADMIN', 'OWNER'] as const

export function teamRoutes(auth: Auth): Hono {
  const app = new Hono()
  for (const [route, { path, success, failure = '/team' }] of Object.entries(FORMS)) {
    app.post(route, (c) =>
      auth.formAction(c.req.raw, { path, success, failure, keep: ['invitationId'] }),
    )
  }

  app.get('/team', async (c) => {
    const session = await auth.getSession(c.req.raw)
    if (!session) return c.redirect('/sign-in?next=/team')
    const { headers } = c.req.raw
    const organizations = await auth.api.listOrganizations({ headers })
    const others = organizations.filter(({ id }) => id !== session.organizationId)
    const invitations = await auth.api.listUserInvitations({ headers })
    const isOwner = session.organizationRole === 'OWNER'
    const roles = isOwner ? ROLES : ROLES.filter((role) => role !== 'OWNER')
    const mayRead = auth.can(session, 'users:read')
    const mayChange = ({ userId, role }: { userId: string; role: string }) =>
      auth.can(session, 'users:update') &&
      userId !== session.userId &&
      (isOwner || role !== 'OWNER')
    const team = mayRead ? await auth.api.getFullOrganization({ headers }) : null
    return c.html(
      <Layout title="Team">
        <header class="row">
          <h1>Team</h1>
          <a href="/dashboard">Dashboard</a>
        </header>
        <Notices c={c} />
        {invitations.filter(isOpen).map((invitation) => (
          <Card title={`Join ${invitation.organizationName}`}>
            <p>You are invited as {invitation.role}.</p>
            <p class="row">
              <Act to="/accept-invitation" name="invitationId" value={invitation.id}>
                Accept
              </Act>
              <Act to="/team/decline" name="invitationId" value={invitation.id} quiet>
                Decline
              </Act>
            </p>
          </Card>
        ))}
        {organizations
          .filter(({ id }) => id === session.organizationId)
          .map(({ id, name }) => (
            <Card title={name}>
              <p>
                Your role is <strong data-testid="role">{session.organizationRole}</strong>.
              </p>
              <Act to="/team/leave" name="organizationId" value={id} quiet>
                Leave
              </Act>
            </Card>
          ))}
        {team && (
          <Card title="Members">
            {team.members.map((member) => (
              <div class="member" data-testid="member">
                <p>
                  {member.user.name} · {member.user.email} · <strong>{member.role}</strong>
                </p>
                {mayChange(member) && (
                  <div class="row">
                    <form class="row" method="post" action="/team/role">
                      <input type="hidden" name="memberId" value={member.id} />
                      <RoleSelect
                        label={`Role of ${member.user.name}`}
                        chosen={member.role}
                        roles={roles}
                      />
                      <button class="quiet" type="submit">
                        Change
                      </button>
                    </form>
                    {isOwner && (
                      <Act to="/team/transfer" name="memberId" value={member.id} quiet>
                        Hand over
                      </Act>
                    )}
                    <Act to="/team/remove" name="memberIdOrEmail" value={member.id} quiet>
                      Remove
                    </Act>
                  </div>
                )}
              </div>
            ))}
          </Card>
        )}
        {team && auth.can(session, 'users:create') && (
          <Card title="Invite">
            {team.invitations.filter(isOpen).map(({ id, email, role }) => (
              <div class="row" data-testid="invited">
                <p>
                  {email} · {role}
                </p>
                <Act to="/team/withdraw" name="invitationId" value={id} quiet>
                  Withdraw
                </Act>
              </div>
            ))}
            <form method="post" action="/team/invite">
              <Field label="E-mail" name="email" type="email" autocomplete="off" />
              <label for="role">Role</label>
              <p>
                <RoleSelect id="role" label="Role" chosen="VIEWER" roles={roles} />
              </p>
              <button type="submit">Send invitation</button>
            </form>
          </Card>
        )}
        {others.length > 0 && (
          <Card title="Your other organizations">
            {others.map(({ id, name }) => (
              <Act to="/team/switch" name="organizationId" value={id} quiet>
                Switch to {name}
              </Act>
            ))}
          </Card>
        )}
        <Card title="New organization">
          <form method="post" action="/team/create">
            <Field label="Name" name="name" autocomplete="organization" />
            <button type="submit">Create organization</button>
          </form>
        </Card>
      </Layout>,
    )
  })

  app.get('/accept-invitation', async (c) => {
    const id = c.req.query('id') ?? c.req.query('invitationId') ?? ''
    const next = encodeURIComponent(`/accept-invitation?id=${encodeURIComponent(id)}`)
    if (!(await auth.getSession(c.req.raw))) return invited(c, <SignInFirst next={next} />)
    const { headers } = c.req.raw
    const found = await auth.api.getInvitation({ headers, query: { id } }).catch(() => null)
    if (!found) {
      return invited(
        c,
        <p class="error">This invitation is for another address, has been used or has expired.</p>,
      )
    }
    return invited(
      c,
      <>
        <p>
          {found.inviterEmail} invites you to <strong>{found.organizationName}</strong> as{' '}
          {found.role}.
        </p>
        <Act to="/accept-invitation" name="invitationId" value={id}>
          Accept
        </Act>
      </>,
    )
  })
  return app
}

const isOpen = ({ status, expiresAt }: { status: string; expiresAt: Date }) =>
  status === 'pending' && new Date(expiresAt) > new Date()

const invited = (c: Context, body: Child) =>
  c.html(
    <Layout title="Invitation">
      <Notices c={c} />
      <Card title="Invitation">{body}</Card>
    </Layout>,
  )

const SignInFirst = ({ next }: { next: string }) => (
  <>
    <p>Sign in with the address that was invited; then you can accept.</p>
    <p class="row">
      <a class="button" href={`/sign-in?next=${next}`}>
        Sign in
      </a>
      <a href="/sign-up">Sign up</a>
    </p>
  </>
)

/** A form with a single button. */
function Act(
  props: PropsWithChildren<{ to: string; name: string; value: string; quiet?: boolean }>,
) {
  return (
    <form method="post" action={props.to}>
      <button
        class={props.quiet ? 'quiet' : ''}
        name={props.name}
        value={props.value}
        type="submit"
      >
        {props.children}
      </button>
    </form>
  )
}

const RoleSelect = (props: {
  id?: string
  label: string
  chosen: string
  roles: readonly string[]
}) => (
  <select id={props.id} name="role" aria-label={props.label}>
    {props.roles.map((role) => (
      <option value={role} selected={role === props.chosen}>
        {role}
      </option>
    ))}
  </select>
)
