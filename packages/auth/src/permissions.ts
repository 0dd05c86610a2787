/**
 * The roles in an organization and their permissions. A permission is `resource:action`. With `:own` after
 * it, it covers only resources that the user owns. A role may do only what it was given, and an unknown role
 * may do nothing.
 *
 * @module
 */

import { AuthError } from './errors.ts'

/** The default permissions, for hosts that define none. */
export const PERMISSIONS = [
  'org:read',
  'org:update',
  'org:delete',
  'users:read',
  'users:create',
  'users:update',
  'users:delete',
  'calls:read',
  'calls:update',
  'calls:delete',
  'ai:read',
  'ai:update',
  'analytics:read',
  'billing:read',
  'billing:update',
  'integrations:read',
  'integrations:create',
  'integrations:delete',
] as const

/** A permission, or the same permission for resources that the user owns. */
export type OrOwn<P extends string> = P | `${P}:own`

/** One of the default permissions. */
export type Permission = OrOwn<(typeof PERMISSIONS)[number]>

/** One of the default roles in an organization. */
export type OrganizationRole = 'OWNER' | 'ADMIN' | 'MANAGER' | 'OPERATOR' | 'VIEWER'

/** A user's own role, outside any organization. It has no permissions; `requireRole` checks it. */
export type UserRole = 'USER' | 'ADMIN'

/** The default roles, which a host may spread into its own. */
export const ROLES = {
  OWNER: PERMISSIONS,
  ADMIN: [
    'org:read',
    'org:update',
    'users:read',
    'users:create',
    'users:update',
    'users:delete',
    'calls:read',
    'calls:update',
    'ai:read',
    'ai:update',
    'analytics:read',
    'integrations:read',
    'integrations:create',
    'integrations:delete',
  ],
  MANAGER: ['org:read', 'users:read', 'calls:read', 'calls:update', 'ai:read', 'analytics:read'],
  OPERATOR: ['calls:read:own', 'calls:update:own'],
  VIEWER: ['org:read', 'calls:read', 'analytics:read'],
} as const satisfies Record<OrganizationRole, readonly Permission[]>

/** A table of roles and their permissions. */
export interface Roles<P extends string = Permission, R extends string = OrganizationRole> {
  /** All permissions, without the `:own` forms. */
  readonly permissions: readonly string[]
  /** The names of the roles. */
  readonly names: readonly R[]
  /** Whether `name` is one of the roles. */
  isRole(name: unknown): name is R
  /**
   * Whether `role` has `permission`. A role that has a permission also has its `:own` form. False for null
   * and for an unknown role.
   */
  has(role: string | null, permission: P): boolean
  /**
   * Whether a member with `role` may give somebody the role `other`. An OWNER may give any role; others may
   * give only roles that have no permission beyond theirs.
   */
  mayGrant(role: string | null, other: string): boolean
}

const OWN = ':own'

/** The permission without its `:own`. */
export const baseOf = (permission: string): string =>
  permission.endsWith(OWN) ? permission.slice(0, -OWN.length) : permission

/**
 * Makes a host's own table of permissions and roles. A permission that is not in the list does not compile.
 * `OWNER` must be among the roles. The database accepts any name in capital letters, so roles of your own need no
 * migration.
 *
 * @throws `invalid_options` for a malformed permission or role, a permission that is not listed, or a missing
 * OWNER
 */
export function defineRoles<const P extends string, const R extends string>(
  permissions: readonly P[],
  roles: Readonly<Record<R, readonly OrOwn<NoInfer<P>>[]> & Record<'OWNER', readonly string[]>>,
): Roles<OrOwn<P>, R> {
  const malformed = permissions.find(
    (permission) => !/^[a-z_]+:[a-z_]+$/.test(permission) || permission.endsWith(OWN),
  )
  if (malformed !== undefined) {
    throw new AuthError(
      'invalid_options',
      `The permission "${malformed}" must have the form resource:action, without :own.`,
    )
  }
  const listed = new Set<string>(permissions)
  const given = new Map<string, ReadonlySet<string>>()
  for (const [role, list] of Object.entries<readonly string[]>(roles)) {
    if (!/^[A-Z][A-Z_]*$/.test(role)) {
      throw new AuthError('invalid_options', `The role "${role}" must be in capital letters.`)
    }
    const unknown = list.find((permission) => !listed.has(baseOf(permission)))
    if (unknown !== undefined) {
      throw new AuthError(
        'invalid_options',
        `The role ${role} has ${unknown}, which is not in the list of permissions.`,
      )
    }
    // A role that may do something to every resource may also do it to the user's own.
    given.set(role, new Set([...list, ...list.map((permission) => baseOf(permission) + OWN)]))
  }
  if (!given.has('OWNER')) {
    throw new AuthError(
      'invalid_options',
      'Define the role OWNER: every organization has an owner.',
    )
  }
  const of = (role: string) => [...(given.get(role) ?? [])]
  return {
    permissions,
    names: [...given.keys()] as R[],
    isRole: (name): name is R => typeof name === 'string' && given.has(name),
    has: (role, permission) => role !== null && given.get(role)?.has(permission) === true,
    mayGrant(role, other) {
      if (role === null || !given.has(other)) return false
      return role === 'OWNER' || of(other).every((permission) => given.get(role)?.has(permission))
    },
  }
}

/** The default roles with their default permissions. */
export const defaultRoles: Roles = defineRoles(PERMISSIONS, ROLES)
