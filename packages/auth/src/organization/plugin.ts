/**
 * Better Auth's plugin for organizations, with our roles, and with each command in one transaction. The
 * database ensures the rest: a user has one membership in an organization, a member has one role, and
 * an organization has an owner.
 *
 * @module
 */

import { defineRequestState, queueAfterTransactionHook } from '@better-auth/core/context'
import type { Database, Db } from '@repo/db'
import { createAuthMiddleware, isAPIError } from 'better-auth/api'
import { generateRandomString } from 'better-auth/crypto'
import { createAccessControl } from 'better-auth/plugins/access'
import { organization } from 'better-auth/plugins/organization'
import { defaultStatements } from 'better-auth/plugins/organization/access'
import type { Bounds } from '../database/bounds.ts'
import { withStandIns } from '../database/stand-in-address.ts'
import { currentTransaction, inTransaction } from '../database/transaction.ts'
import type { Endpoint } from '../http/endpoint.ts'
import type { MailLimits } from '../mail/mail-limits.ts'
import type { Roles } from '../permissions.ts'
import { cookieSession } from '../session/cookie-session.ts'
import { type Act, actIn, beginAct, organizationMeant, roleIn } from './act.ts'
import { refusalOf } from './refusals.ts'
import { holds, requireToRead, rules, slugOf, withdrawInvitations } from './rules.ts'
import { transferOwnership } from './transfer.ts'

/** An invitation to mail. */
export interface Invitation {
  id: string
  email: string
  role: string
  organizationName: string
  inviterName: string
  expiresAt: Date
}

/** A command that was carried out, for the log. It holds ids and no personal data. */
export interface OrganizationRecord {
  /** The endpoint's path with a dot: `organization.create`, `organization.transfer-ownership` and so on. */
  action: string
  organizationId: string | null
  /** The user who acted; null if the server itself did. */
  actorId: string | null
  /** The member who was affected; null if there is none. */
  userId: string | null
  /** That member's role after the command; null if the member has none, or if no member is affected. */
  role: string | null
}

/** The dependencies of `organizations`. */
export interface OrganizationOptions {
  db: Database
  roles: Roles<string, string>
  bounds: Bounds
  /** Null: invitations are not limited. */
  mailLimits: MailLimits | null
  /** Called for each invitation after it is stored. */
  invite(invitation: Invitation): void
  /** Called for each command that was carried out, within its transaction. */
  record(entry: OrganizationRecord, tx: Db): Promise<unknown>
}

/** How long an invitation lasts: two days. */
const INVITATION_SECONDS = 172_800

/**
 * How many members an organization may have. It is also the default length of Better Auth's list of members.
 * The host counts the seats of a plan itself.
 */
const MEMBERS = 10_000

/** Makes the plugin. */
export function organizations(options: OrganizationOptions) {
  const { roles, bounds, invite, mailLimits } = options
  const counted = invitationLimit(options)
  const plugin = organization({
    ac: createAccessControl(defaultStatements),
    roles: pluginRoles(roles),
    creatorRole: 'OWNER',
    membershipLimit: MEMBERS,
    invitationLimit: bounds.invitations,
    invitationExpiresIn: INVITATION_SECONDS,
    requireEmailVerificationOnInvitation: true,
    async sendInvitationEmail({ id, email, role, organization, inviter, invitation }) {
      await queueAfterTransactionHook(async () =>
        invite({
          id,
          email,
          role,
          organizationName: organization.name,
          inviterName: inviter.user.name,
          expiresAt: new Date(invitation.expiresAt),
        }),
      )
    },
  })
  const rule = rules(roles, bounds)
  const command = <E extends Endpoint>(
    endpoint: E,
    check: (act: Act) => Promise<void> = async () => {},
  ): E => {
    before(endpoint, beginAct(check))
    const after = (answer: unknown) => follow(options, endpoint, answer)
    return inTransaction(options.db, endpoint, { after, refusalOf })
  }
  const { endpoints } = plugin
  before(endpoints.getOrganization, requireToRead(roles, 'org:read'))
  before(endpoints.getFullOrganization, requireToRead(roles, 'org:read', 'users:read'))
  before(endpoints.listMembers, requireToRead(roles, 'users:read'))
  before(endpoints.listInvitations, requireToRead(roles, 'users:read'))
  before(endpoints.getActiveMemberRole, requireToRead(roles, 'users:read'))
  return {
    ...plugin,
    endpoints: {
      ...endpoints,
      /** Founds an organization, whose OWNER is the caller. */
      createOrganization: command(endpoints.createOrganization, rule.create),
      /** Changes an organization's name, slug or logo. Requires `org:update`. */
      updateOrganization: command(endpoints.updateOrganization, rule.update),
      /** Deletes an organization. Requires its OWNER. */
      deleteOrganization: command(endpoints.deleteOrganization),
      /**
       * Invites an address and mails the link, or sends an open invitation again. Requires `users:create`.
       */
      createInvitation: withStandIns(command(endpoints.createInvitation, rule.invite)),
      /** Joins an organization by the invitation to the caller's confirmed address. */
      acceptInvitation: command(endpoints.acceptInvitation, rule.accept),
      /** Declines the invitation to the caller's address. */
      rejectInvitation: command(endpoints.rejectInvitation),
      /** Withdraws an invitation. */
      cancelInvitation: command(endpoints.cancelInvitation, rule.cancel),
      /** Adds a member without an invitation. For server code only: it has no path. */
      addMember: command(endpoints.addMember, rule.add),
      /** Removes a member. The last OWNER stays. */
      removeMember: command(endpoints.removeMember, rule.remove),
      /** Gives a member another role, which the caller may grant. The last OWNER stays. */
      updateMemberRole: command(endpoints.updateMemberRole, rule.updateRole),
      /** Leaves an organization. The last OWNER cannot. */
      leaveOrganization: command(endpoints.leaveOrganization),
      /** Makes another member OWNER in the caller's place. */
      transferOwnership: command(transferOwnership(), rule.transfer),
    },
    hooks: {
      before: [nameAddress, ...(mailLimits ? [counted.before] : [])],
      after: mailLimits ? [counted.after] : [],
    },
  }
}

/** Makes a slug from the name if the form has none. */
const nameAddress = {
  matcher: ({ path }: { path?: string }) => path === '/organization/create',
  handler: createAuthMiddleware(async (ctx) => {
    const { name, slug } = (ctx.body ?? {}) as { name?: unknown; slug?: unknown }
    if (typeof name !== 'string' || slug) return
    const random = generateRandomString(6, 'a-z', '0-9')
    return { context: { body: { ...ctx.body, slug: slugOf(name, random) } } }
  }),
}

/** The recipient for whom this request has counted an invitation. */
const invited = defineRequestState<{ to: string | null }>(() => ({ to: null }))

/**
 * Counts the invitations to one address, over all organizations. It runs outside the command's transaction,
 * which must not wait for another connection. It counts only for members who may invite, so that nobody else
 * uses up the limit.
 */
function invitationLimit({ db, roles, mailLimits }: OrganizationOptions) {
  const matcher = ({ path }: { path?: string }) => path === '/organization/invite-member'
  const before = createAuthMiddleware(async (ctx) => {
    const { email, organizationId } = (ctx.body ?? {}) as Record<string, unknown>
    const session = await cookieSession(ctx, db)
    if (!mailLimits || !session || typeof email !== 'string') return
    const id = organizationMeant(organizationId, session.activeOrganizationId)
    if (!holds(roles, await roleIn(db, id, session.userId), 'users:create')) return
    await mailLimits.requireInvitation(email)
    Object.assign(await invited.get(), { to: email })
  })
  const after = createAuthMiddleware(async (ctx) => {
    const { to } = await invited.get()
    if (mailLimits && to !== null && isAPIError(ctx.context.returned)) {
      await mailLimits.giveBackInvitation(to)
    }
  })
  return { before: { matcher, handler: before }, after: { matcher, handler: after } }
}

/** Our roles as the plugin's roles, with the plugin's names of permissions. */
function pluginRoles(roles: Roles<string, string>) {
  const access = createAccessControl(defaultStatements)
  const words = <W extends string>(role: string, table: Record<string, readonly W[]>): W[] =>
    Object.entries(table).flatMap(([permission, list]) =>
      holds(roles, role, permission) ? list : [],
    )
  return Object.fromEntries(
    roles.names.map((role) => [
      role,
      access.newRole({
        organization: words(role, { 'org:update': ['update'], 'org:delete': ['delete'] }),
        member: words(role, {
          'users:create': ['create'],
          'users:update': ['update'],
          'users:delete': ['delete'],
        }),
        invitation: words(role, { 'users:create': ['create', 'cancel'] }),
      }),
    ]),
  )
}

/** Adds a middleware after the endpoint's own, so that the session is known. */
function before(endpoint: Endpoint, middleware: unknown): void {
  const options = endpoint.options as { use?: unknown[] }
  options.use = [...(options.use ?? []), middleware]
}

/** The part of a member that is used here. */
interface MemberRow {
  userId: string
  organizationId: string
  role: string
}

/** The consequences of a command within its transaction: withdrawn invitations, and the record. */
async function follow(
  { record }: OrganizationOptions,
  { path }: Endpoint,
  answer: unknown,
): Promise<void> {
  const tx = currentTransaction()
  const act = tx && actIn(tx)
  if (!act) return
  const { member, userId } = (answer ?? {}) as Partial<MemberRow> & { member?: MemberRow }
  const subject = member ?? (userId ? (answer as MemberRow) : null)
  const isGone = path === '/organization/remove-member' || path === '/organization/leave'
  const isNew = path === '/organization/accept-invitation'
  if (subject && (isGone || isNew)) {
    await withdrawInvitations(act.tx, subject.organizationId, subject.userId)
  }
  const made = path === '/organization/create' ? (answer as { id: string }).id : null
  await record(
    {
      action: (path ?? '/organization/add-member').slice(1).replace('/', '.'),
      organizationId: act.organizationId ?? made ?? subject?.organizationId ?? null,
      actorId: act.actor?.userId ?? null,
      userId: subject?.userId ?? null,
      role: subject && !isGone ? subject.role : null,
    },
    act.tx,
  )
}
