/**
 * Organizations: Better Auth's plugin, by our roles, its commands in one transaction each. The
 * database promises the rest: one membership a person, one of the known roles a member, and an owner
 * in each organization.
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
import type { Bounds } from '../bounds.ts'
import type { Endpoint } from '../endpoint.ts'
import type { MailLimits } from '../mail-limits.ts'
import type { Roles } from '../permissions.ts'
import { presentedSession } from '../presented.ts'
import { withStandIns } from '../stand-in-address.ts'
import { currentTransaction, inTransaction } from '../transaction.ts'
import { type Act, actIn, beginAct, roleIn } from './act.ts'
import { refusalOf } from './refusals.ts'
import { holds, requireToRead, rules, slugOf, withdrawInvitations } from './rules.ts'
import { transferOwnership } from './transfer.ts'

export interface Invitation {
  id: string
  email: string
  role: string
  organizationName: string
  inviterName: string
  expiresAt: Date
}

/** What was done, for the record: ids, no personal data. */
export interface OrganizationRecord {
  /** `organization.create`, `organization.transfer-ownership`, …: the endpoint's path with a dot. */
  action: string
  organizationId: string | null
  /** Null: the server itself. */
  actorId: string | null
  /** The member it was done to; null where there is none. */
  userId: string | null
  /** That member's role from now on; null where it has none or keeps it. */
  role: string | null
}

export interface OrganizationOptions {
  db: Database
  roles: Roles<string, string>
  bounds: Bounds
  /** Null: nothing is limited. */
  mailLimits: MailLimits | null
  /** Told of each invitation, once it is stored. */
  invite(invitation: Invitation): void
  /** Told of each command that was carried out. Part of the transaction. */
  record(entry: OrganizationRecord, tx: Db): Promise<unknown>
}

/** Two days. */
const INVITATION_SECONDS = 172_800

/** As many as one page of Better Auth's lists holds; a plan's seats are for the host to count. */
const MEMBERS = 10_000

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
      createOrganization: command(endpoints.createOrganization, rule.create),
      updateOrganization: command(endpoints.updateOrganization, rule.update),
      deleteOrganization: command(endpoints.deleteOrganization),
      createInvitation: withStandIns(command(endpoints.createInvitation, rule.invite)),
      acceptInvitation: command(endpoints.acceptInvitation, rule.accept),
      rejectInvitation: command(endpoints.rejectInvitation),
      cancelInvitation: command(endpoints.cancelInvitation, rule.cancel),
      addMember: command(endpoints.addMember, rule.add),
      removeMember: command(endpoints.removeMember, rule.remove),
      updateMemberRole: command(endpoints.updateMemberRole, rule.updateRole),
      leaveOrganization: command(endpoints.leaveOrganization),
      transferOwnership: command(transferOwnership(), rule.transfer),
    },
    hooks: {
      before: [nameAddress, ...(mailLimits ? [counted.before] : [])],
      after: mailLimits ? [counted.after] : [],
    },
  }
}

/** A form need not ask for an address: one is made from the name. */
const nameAddress = {
  matcher: ({ path }: { path?: string }) => path === '/organization/create',
  handler: createAuthMiddleware(async (ctx) => {
    const { name, slug } = (ctx.body ?? {}) as { name?: unknown; slug?: unknown }
    if (typeof name !== 'string' || slug) return
    const random = generateRandomString(6, 'a-z', '0-9')
    return { context: { body: { ...ctx.body, slug: slugOf(name, random) } } }
  }),
}

/** The recipient that the present request has counted an invitation to. */
const invited = defineRequestState<{ to: string | null }>(() => ({ to: null }))

/**
 * Counts the invitations to one address, of whichever organization. Outside the command's transaction, which should
 * not wait for another connection; and only of members who may invite, so that nobody else uses the limit up.
 */
function invitationLimit({ db, roles, mailLimits }: OrganizationOptions) {
  const matcher = ({ path }: { path?: string }) => path === '/organization/invite-member'
  const before = createAuthMiddleware(async (ctx) => {
    const { email, organizationId } = (ctx.body ?? {}) as Record<string, unknown>
    const session = await presentedSession(ctx, db)
    if (!mailLimits || !session || typeof email !== 'string') return
    const id = typeof organizationId === 'string' ? organizationId : session.activeOrganizationId
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

/** Our permissions in the plugin's own words. */
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

/** Puts a middleware behind those of the endpoint, so that it finds its session. */
function before(endpoint: Endpoint, middleware: unknown): void {
  const options = endpoint.options as { use?: unknown[] }
  options.use = [...(options.use ?? []), middleware]
}

interface MemberRow {
  userId: string
  organizationId: string
  role: string
}

/** What a command sets off in its own transaction. */
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
