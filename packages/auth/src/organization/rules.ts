/**
 * Rules that Better Auth's organization plugin lacks. A member has one role. Nobody may give a role above
 * their own, or change a member with such a role. Giving a role that controls membership requires a recent
 * sign-in. An invitation is valid only while its inviter could still send it, and removing a member withdraws
 * the member's open invitations. Only roles that may read users see names and addresses.
 *
 * @module
 */

import type { Db } from '@repo/db'
import { APIError, createAuthMiddleware, getSessionFromCtx } from 'better-auth/api'
import { notFresh } from '../account/refusals.ts'
import type { Bounds } from '../database/bounds.ts'
import { requireRoom } from '../database/room.ts'
import { fromStandIn } from '../database/stand-in-address.ts'
import type { Roles } from '../permissions.ts'
import { type Act, organizationMeant, roleIn } from './act.ts'

type AnyRoles = Roles<string, string>

/** The longest address: RFC 5321, 4.5.3.1.3, without the angle brackets. */
const MAX_EMAIL_LENGTH = 254

const refuse = (status: 'BAD_REQUEST' | 'FORBIDDEN', code: string, message: string) =>
  new APIError(status, { code, message })

/**
 * Whether a role has a permission that the organization's endpoints need. An OWNER has each of them in every
 * table.
 */
export const holds = (roles: AnyRoles, role: string | null, permission: string): boolean =>
  role === 'OWNER' || roles.has(role, permission)

/** The permissions to change who belongs to the organization, or to delete it. */
const POWERS = ['users:create', 'users:update', 'users:delete', 'org:delete']

/** Whether the role can keep others out, even the member who gave it. */
const hasPower = (roles: AnyRoles, role: string): boolean =>
  POWERS.some((permission) => holds(roles, role, permission))

function oneRole(roles: AnyRoles, value: unknown): string {
  const [role, ...more] = Array.isArray(value) ? value : [value]
  if (more.length === 0 && roles.isRole(role)) return role
  throw refuse(
    'BAD_REQUEST',
    'role_not_found',
    `The role must be one of ${roles.names.join(', ')}.`,
  )
}

/** The rule of each command. A rule throws to refuse. */
export const rules = (roles: AnyRoles, bounds: Bounds) => ({
  async create({ tx, actor, body }: Act) {
    checkNames(body)
    if (actor) await requireRoom(tx, bounds, 'organizations', actor.userId)
  },

  async update({ body }: Act) {
    checkNames((body.data ?? {}) as Record<string, unknown>)
  },

  async invite({ tx, actor, organizationId, role, body }: Act) {
    const wanted = oneRole(roles, body.role)
    const email = fromStandIn(String(body.email))
    if (email.length > MAX_EMAIL_LENGTH) {
      throw refuse('BAD_REQUEST', 'invalid_email', 'An address has 254 characters at the most.')
    }
    if (role === null) return
    // Sending again extends the waiting invitation, which keeps its role whatever the body says.
    const again = body.resend ? await rolesWaiting(tx, organizationId, email) : []
    for (const given of [wanted, ...again]) {
      if (!roles.mayGrant(role, given)) {
        throw refuse(
          'FORBIDDEN',
          'you_are_not_allowed_to_invite_user_with_this_role',
          `${role} may not invite a member with the role ${given}.`,
        )
      }
      if (actor && !actor.isRecent && hasPower(roles, given)) throw notFresh()
    }
    return requireRoomToInvite(tx, bounds, organizationId, email)
  },

  /** For the host's own code. If it passes a user's headers, that user acts. */
  async add({ actor }: Act) {
    if (actor && !actor.isRecent) throw notFresh()
  },

  async accept({ tx, actor, organizationId, role, body }: Act) {
    const id = String(body.invitationId)
    // Another transaction may be withdrawing the invitation.
    await tx.$queryRaw`SELECT 1 FROM "Invitation" WHERE "id" = ${id} FOR UPDATE`
    const invitation = await tx.invitation.findUnique({ where: { id } })
    // Better Auth checks the recipient, the status and the expiry next.
    if (!actor || invitation?.email.toLowerCase() !== actor.email.toLowerCase()) return
    if (role !== null) {
      throw refuse(
        'BAD_REQUEST',
        'user_is_already_a_member_of_this_organization',
        'You are already a member of this organization.',
      )
    }
    const inviter = await roleIn(tx, organizationId, invitation.inviterId)
    if (holds(roles, inviter, 'users:create') && roles.mayGrant(inviter, invitation.role)) {
      if (invitation.role === 'OWNER') await requireRoom(tx, bounds, 'organizations', actor.userId)
      return
    }
    throw refuse(
      'BAD_REQUEST',
      'invitation_not_found',
      'The invitation is no longer valid. Ask for a new one.',
    )
  },

  async cancel({ tx, body }: Act) {
    const invitation = await tx.invitation.findUnique({ where: { id: String(body.invitationId) } })
    if (!invitation || invitation.status === 'pending') return
    throw refuse('BAD_REQUEST', 'invitation_not_found', `The invitation is ${invitation.status}.`)
  },

  async updateRole({ tx, organizationId, role, body }: Act) {
    const wanted = oneRole(roles, body.role)
    const target = await tx.member.findUnique({ where: { id: String(body.memberId) } })
    if (role === null || target?.organizationId !== organizationId) return
    if (roles.mayGrant(role, wanted) && mayTouch(roles, role, target.role)) {
      if (wanted === 'OWNER') await requireRoomToOwn(tx, bounds, target)
      return
    }
    throw refuse(
      'FORBIDDEN',
      'you_are_not_allowed_to_update_this_member',
      `${role} may not change the role ${target.role} of a member to ${wanted}.`,
    )
  },

  async transfer({ tx, organizationId, role, body }: Act) {
    const target = await tx.member.findUnique({ where: { id: String(body.memberId) } })
    // The endpoint checks the actor's role and the member next.
    if (role !== 'OWNER' || target?.organizationId !== organizationId) return
    await requireRoomToOwn(tx, bounds, target)
  },

  async remove({ tx, organizationId, role, body }: Act) {
    const target = await memberNamed(tx, organizationId, String(body.memberIdOrEmail))
    if (role === null || !target) return
    if (holds(roles, role, 'users:delete') && mayTouch(roles, role, target.role)) return
    throw refuse(
      'FORBIDDEN',
      'you_are_not_allowed_to_delete_this_member',
      `${role} may not remove a member with the role ${target.role}.`,
    )
  },
})

async function requireRoomToOwn(
  tx: Db,
  bounds: Bounds,
  { userId, role }: { userId: string; role: string },
): Promise<void> {
  if (role !== 'OWNER') await requireRoom(tx, bounds, 'organizations', userId)
}

/**
 * Throws if the organization has reached its limit of open invitations. Its row is locked, so parallel
 * invitations are counted one after another.
 */
async function requireRoomToInvite(
  tx: Db,
  bounds: Bounds,
  organizationId: string | null,
  email: string,
): Promise<void> {
  if (!organizationId) return
  const waiting = { organizationId, status: 'pending', expiresAt: { gt: new Date() } }
  // Sending the invitation to this address again adds none.
  const others = { ...waiting, email: { not: email.toLowerCase() } }
  if ((await tx.invitation.count({ where: others })) < bounds.invitations) return
  throw refuse(
    'FORBIDDEN',
    'too_many_invitations',
    `An organization may have ${bounds.invitations} open invitations. Withdraw some first.`,
  )
}

/** The roles in the open invitations of an address to the organization. */
async function rolesWaiting(
  tx: Db,
  organizationId: string | null,
  email: string,
): Promise<string[]> {
  if (!organizationId) return []
  const where = { organizationId, email: email.toLowerCase(), status: 'pending' }
  return (await tx.invitation.findMany({ where })).map(({ role }) => role)
}

/**
 * Whether `role` may change a member with the role `other`. A role that is no longer in the table ranks above
 * nobody.
 */
const mayTouch = (roles: AnyRoles, role: string, other: string): boolean =>
  !roles.isRole(other) || roles.mayGrant(role, other)

function memberNamed(tx: Db, organizationId: string | null, name: string) {
  const who = name.includes('@') ? { user: { email: name.toLowerCase() } } : { id: name }
  return tx.member.findFirst({ where: { ...who, organizationId: organizationId ?? '' } })
}

/** The form of a slug. */
const SLUG = /^[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?$/i

function checkNames({ name, slug }: Readonly<Record<string, unknown>>): void {
  if (typeof name === 'string' && (name.trim() === '' || name.length > 100)) {
    throw refuse('BAD_REQUEST', 'invalid_name', 'The name must have 1 to 100 characters.')
  }
  if (typeof slug === 'string' && !SLUG.test(slug)) {
    throw refuse(
      'BAD_REQUEST',
      'invalid_slug',
      'The slug may have letters, digits, dashes and underscores, 63 at the most.',
    )
  }
}

/** Makes a slug for an organization that was given none: its name, and six random characters. */
export function slugOf(name: string, random: string): string {
  const words = name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}/gu, '')
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 50)
    .replace(/^-|-$/g, '')
  return words ? `${words}-${random}` : random
}

/** Withdraws the open invitations to this organization that the user has received. */
export async function withdrawInvitations(
  tx: Db,
  organizationId: string,
  userId: string,
): Promise<void> {
  const user = await tx.user.findUnique({ where: { id: userId } })
  if (!user) return
  await tx.invitation.updateMany({
    where: { organizationId, email: user.email.toLowerCase(), status: 'pending' },
    data: { status: 'canceled' },
  })
}

/** The parameters that a list of members accepts. The adapter would throw at other values. */
const LISTING: Record<string, (value: string) => boolean> = {
  filterField: (value) => ['id', 'role', 'userId'].includes(value),
  filterOperator: (value) => !['in', 'not_in'].includes(value),
  sortBy: (value) => ['createdAt', 'id', 'role', 'userId'].includes(value),
  limit: isCount,
  offset: isCount,
  membersLimit: isCount,
}

/** Whether the text is a number of six digits at the most. The database would fail at a greater one. */
function isCount(value: string): boolean {
  return /^\d{1,6}$/.test(value)
}

function checkListing(query: Record<string, unknown>): void {
  for (const [name, fits] of Object.entries(LISTING)) {
    if (query[name] === undefined || fits(String(query[name]))) continue
    throw refuse(
      'BAD_REQUEST',
      'invalid_query',
      `The value of ${name} is not allowed in this list.`,
    )
  }
}

/**
 * Makes a middleware that refuses a member whose role lacks a permission. Better Auth itself refuses users
 * who are not members.
 */
export const requireToRead = (roles: AnyRoles, ...permissions: string[]) =>
  createAuthMiddleware(async (ctx) => {
    const session = await getSessionFromCtx(ctx)
    if (!session) return
    const query = (ctx.query ?? {}) as Record<string, unknown>
    checkListing(query)
    const { adapter } = ctx.context
    const find = <T>(model: string, where: Record<string, unknown>): Promise<T | null> =>
      adapter.findOne<T>({
        model,
        where: Object.entries(where).map(([field, value]) => ({ field, value: String(value) })),
      })
    const bySlug = query.organizationSlug
      ? await find<{ id: string }>('organization', { slug: query.organizationSlug })
      : null
    const active = (session.session as Record<string, unknown>).activeOrganizationId
    const organizationId = bySlug?.id ?? organizationMeant(query.organizationId, active)
    if (!organizationId) return
    const userId = session.user.id
    const member = await find<{ role: string }>('member', { organizationId, userId })
    const missing = member && permissions.find((name) => !holds(roles, member.role, name))
    if (!missing) return
    throw refuse('FORBIDDEN', 'insufficient_permission', `The permission ${missing} is required.`)
  })
