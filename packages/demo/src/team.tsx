/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */

/**
 * The team pages: creating an organization, inviting, joining, changing roles, handing over, leaving. Each
 * form calls an endpoint of auth. A page shows what the reader's role may see and do.
 */

import type { Auth } from '@repo/auth'
import { type Context, Hono } from 'hono'
import type { Child } from 'hono/jsx'
import { Field, Notices } from './form.tsx'
import { Act, Ask, Card, Layout } from './layout.tsx'
import { askToSignIn } from './refusal.tsx'

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

/** What each role may do, in words. */
const MAY: Record<string, string> = {
  VIEWER: 'Viewers look at things and change nothing.',
  OPERATOR: 'Operators see and change calls of their own.',
  MANAGER: 'Managers see everybody, and change all calls.',
  ADMIN: 'Admins also invite, change and remove people.',
  OWNER: 'Owners do everything, billing and deleting included.',
}

/** A role as people write it. */
const roleName = (role: string | null): string =>
  role === null ? '' : `${role[0]}${role.slice(1).toLowerCase()}`

export function teamRoutes(auth: Auth): Hono {
  const app = new Hono()
  for (const [route, { path, success, failure = '/team' }] of Object.entries(FORMS)) {
    app.post(route, (c) =>
      auth.formAction(c.req.raw, { path, success, failure, keep: ['invitationId'] }),
    )
  }

  app.get('/team', async (c) => {
    const session = await auth.getSession(c.req.raw)
    if (!session) return askToSignIn(auth, c)
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
      <Layout c={c} title="Team" top="customer">
        <h1>Team</h1>
        <Notices />
        {invitations.filter(isOpen).map((invitation) => (
          <Card title={`Join ${invitation.organizationName}`}>
            <p>You are invited as {roleName(invitation.role)}.</p>
            <div class="actions">
              <Act to="/accept-invitation" name="invitationId" value={invitation.id}>
                Accept
              </Act>
              <Act to="/team/decline" name="invitationId" value={invitation.id} kind="quiet">
                Decline
              </Act>
            </div>
          </Card>
        ))}
        {organizations
          .filter(({ id }) => id === session.organizationId)
          .map((organization) => (
            <Own
              organization={organization}
              role={session.organizationRole}
              isOnlyOwner={isOwner && team?.members.filter(isOwnerOf).length === 1}
            />
          ))}
        {team && (
          <Card title="Members">
            {team.members.map((member) => (
              <div class="line" data-testid="member">
                <p>
                  <strong>{member.user.name}</strong>{' '}
                  <span class="tag">{roleName(member.role)}</span>
                  <br />
                  <span class="hint">{member.user.email}</span>
                </p>
                {mayChange(member) && <Change {...{ member, roles, isOwner }} />}
              </div>
            ))}
          </Card>
        )}
        {team && auth.can(session, 'users:create') && (
          <Card title="Invite">
            {team.invitations.filter(isOpen).map(({ id, email, role }) => (
              <div class="line row" data-testid="invited">
                <p>
                  {email} <span class="tag">{roleName(role)}</span>
                </p>
                <Act to="/team/withdraw" name="invitationId" value={id} kind="quiet">
                  Withdraw
                </Act>
              </div>
            ))}
            <form method="post" action="/team/invite">
              <Field label="E-mail" name="email" type="email" autocomplete="off" />
              <label for="role">Role</label>
              <RoleSelect id="role" label="Role" chosen="VIEWER" roles={roles} />
              <button type="submit">Send invitation</button>
            </form>
            <Roles />
          </Card>
        )}
        {others.length > 0 && (
          <Card title="Your other organizations">
            {others.map(({ id, name }) => (
              <Act to="/team/switch" name="organizationId" value={id} kind="quiet">
                Switch to {name}
              </Act>
            ))}
          </Card>
        )}
        <Card title={organizations.length > 0 ? 'Another organization' : 'Your organization'}>
          {organizations.length === 0 && (
            <p>You are in no organization yet. Found one, and invite the people you work with.</p>
          )}
          <form method="post" action="/team/create">
            <Field label="Name" name="name" autocomplete="organization" />
            <button class={organizations.length > 0 ? 'quiet' : ''} type="submit">
              Create organization
            </button>
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
        <>
          <p class="error" role="alert">
            This invitation is for another address, has been used or has expired.
          </p>
          <p>
            Ask the person who invited you for another one, or <a href="/team">go to your team</a>.
          </p>
        </>,
      )
    }
    return invited(
      c,
      <>
        <p>
          {found.inviterEmail} invites you to <strong>{found.organizationName}</strong> as{' '}
          {roleName(found.role)}. {MAY[found.role]}
        </p>
        <Act to="/accept-invitation" name="invitationId" value={id}>
          Accept
        </Act>
      </>,
    )
  })
  return app
}

const isOwnerOf = ({ role }: { role: string }) => role === 'OWNER'

const isOpen = ({ status, expiresAt }: { status: string; expiresAt: Date }) =>
  status === 'pending' && new Date(expiresAt) > new Date()

const invited = (c: Context, body: Child) =>
  c.html(
    <Layout c={c} title="Invitation" width="narrow">
      <Notices />
      <Card title="Invitation" isPage>
        {body}
      </Card>
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

interface OwnProps {
  organization: { id: string; name: string }
  role: string | null
  isOnlyOwner: boolean
}

/** The organization that the reader acts for. The only owner cannot leave it, and reads why. */
const Own = ({ organization: { id, name }, role, isOnlyOwner }: OwnProps) => (
  <Card title={name}>
    <p>
      Your role is <strong data-testid="role">{roleName(role)}</strong>. {MAY[role ?? '']}
    </p>
    {isOnlyOwner ? (
      <p class="hint">
        You are the only owner, so you cannot leave. Hand the organization over first.
      </p>
    ) : (
      <Ask label="Leave" question={`Leave ${name}? To come back you need an invitation.`}>
        <Act to="/team/leave" name="organizationId" value={id} kind="danger">
          Leave {name}
        </Act>
      </Ask>
    )}
  </Card>
)

interface ChangeProps {
  member: { id: string; role: string; user: { name: string } }
  roles: readonly string[]
  isOwner: boolean
}

/** What the reader may do with another member. */
function Change({ member: { id, role, user }, roles, isOwner }: ChangeProps) {
  return (
    <div class="actions">
      <form class="actions" method="post" action="/team/role">
        <input type="hidden" name="memberId" value={id} />
        <RoleSelect label={`Role of ${user.name}`} chosen={role} roles={roles} />
        <button class="quiet" type="submit">
          Change
        </button>
      </form>
      {isOwner && (
        <Ask label="Hand over" question={`Make ${user.name} the owner? You become an admin.`}>
          <Act to="/team/transfer" name="memberId" value={id}>
            Hand over to {user.name}
          </Act>
        </Ask>
      )}
      <Ask label="Remove" question={`Remove ${user.name} from the organization?`}>
        <Act to="/team/remove" name="memberIdOrEmail" value={id} kind="danger">
          Remove {user.name}
        </Act>
      </Ask>
    </div>
  )
}

/** What the roles mean. */
const Roles = () => (
  <details>
    <summary>What may each role do?</summary>
    <ul>
      {ROLES.map((role) => (
        <li>{MAY[role]}</li>
      ))}
    </ul>
  </details>
)

const RoleSelect = (props: {
  id?: string
  label: string
  chosen: string
  roles: readonly string[]
}) => (
  <select id={props.id} name="role" aria-label={props.label}>
    {props.roles.map((role) => (
      <option value={role} selected={role === props.chosen}>
        {roleName(role)}
      </option>
    ))}
  </select>
)
