/**
 * Roles in an organization, and what each may do. A permission is `resource:action`; with `:own`
 * behind it, it holds for what the asker owns and for nothing else. What a role is not given, it may
 * not do, and a role nobody defined may do nothing.
 *
 * @module
 */

import { AuthError } from './errors.ts'

/** What can be permitted where a host defines nothing else. */
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

/** `P`, and `P` for what one owns. */
export type OrOwn<P extends string> = P | `${P}:own`

/** A permission of the default table. */
export type Permission = OrOwn<(typeof PERMISSIONS)[number]>

/** A role in an organization, in the default table. */
export type OrganizationRole = 'OWNER' | 'ADMIN' | 'MANAGER' | 'OPERATOR' | 'VIEWER'

/** A user's own role, outside any organization. It has no permissions; `requireRole` asks for it. */
export type UserRole = 'USER' | 'ADMIN'

/** The default table, to be spread into a table of one's own. */
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

export interface Roles<P extends string = Permission, R extends string = OrganizationRole> {
  /** Without the `:own` forms. */
  readonly permissions: readonly string[]
  readonly names: readonly R[]
  isRole(name: unknown): name is R
  /**
   * Whether `role` was given `permission`, or, for an `:own` one, the wider one. False for null and
   * for a role that is not in the table.
   */
  has(role: string | null, permission: P): boolean
  /** Whether who holds `role` may give `other` to somebody: an OWNER any, others none above theirs. */
  mayGrant(role: string | null, other: string): boolean
}

const OWN = ':own'

/** The permission without its `:own`. */
export const baseOf = (permission: string): string =>
  permission.endsWith(OWN) ? permission.slice(0, -OWN.length) : permission

/**
 * A host's own table: its permissions, and its roles with what each is given. A permission that is
 * not in the list does not compile. `OWNER` is always among the roles. The database knows the names
 * of the default roles; others are added to its constraints by a migration.
 *
 * @throws `invalid_options` for a permission or a role of another form, or one that is not listed
 */
export function defineRoles<const P extends string, const R extends string>(
  permissions: readonly P[],
  roles: Readonly<Record<R, readonly OrOwn<NoInfer<P>>[]> & Record<'OWNER', readonly string[]>>,
): Roles<OrOwn<P>, R> {
  const malformed = permissions.find((permission) => !/^[a-z_]+:[a-z_]+$/.test(permission))
  if (malformed !== undefined || permissions.some((name) => name.endsWith(OWN))) {
    throw new AuthError('invalid_options', `A permission is resource:action, not "${malformed}".`)
  }
  const listed = new Set<string>(permissions)
  const given = new Map<string, ReadonlySet<string>>()
  for (const [role, list] of Object.entries<readonly string[]>(roles)) {
    if (!/^[A-Z][A-Z_]*$/.test(role)) {
      throw new AuthError('invalid_options', `A role is in capitals, not "${role}".`)
    }
    const unknown = list.find((permission) => !listed.has(baseOf(permission)))
    if (unknown !== undefined) {
      throw new AuthError('invalid_options', `${role} is given ${unknown}, which is not listed.`)
    }
    // Who may do it to everything may do it to what they own.
    given.set(role, new Set([...list, ...list.map((permission) => baseOf(permission) + OWN)]))
  }
  if (!given.has('OWNER')) {
    throw new AuthError('invalid_options', 'The role OWNER is missing: an organization has one.')
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

/** The table of the default instance. */
export const defaultRoles: Roles = defineRoles(PERMISSIONS, ROLES)
