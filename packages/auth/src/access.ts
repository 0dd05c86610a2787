/**
 * May this session do that? A role's permissions first, then policies over whatever is known of the
 * asker, the thing asked about and the circumstances. The order is fixed: another organization's
 * things are refused, then what any policy denies is refused, then what the role or a policy allows is
 * allowed, and the rest is refused. A policy that throws counts against the asker.
 *
 * @module
 */

import { type Clock, systemClock } from '@repo/core/edge'
import type { Session } from './caller.ts'
import { AuthError } from './errors.ts'
import {
  baseOf,
  defaultRoles,
  type OrganizationRole,
  type Permission,
  type Roles,
} from './permissions.ts'

/** What is asked about; a row of the host's, as it is. */
export interface Resource {
  /** Null: no organization's. */
  organizationId: string | null
  /** The user whose it is, for `:own`. Null or left out: nobody's. */
  ownerId?: string | null | undefined
}

export interface Circumstances {
  /** Default: the clock's time. */
  now: Date
  /** Where the asker is, as far as the host knows: `{ country: 'DE', ip: '192.0.2.1' }`. */
  location: Readonly<Record<string, string>>
  /** Whatever else a policy goes by: `{ stage: 'production', maintenance: false }`. */
  environment: Readonly<Record<string, unknown>>
}

/** What a policy is asked. */
export interface Question extends Circumstances {
  session: Session
  /** As it was asked, with its `:own` where it had one. */
  permission: string
  /** Null where nothing was named. */
  resource: (Resource & Readonly<Record<string, unknown>>) | null
  /** Whether the resource is the asker's. */
  isOwn: boolean
}

export interface Policy<P extends string = Permission> {
  /** What `explain` calls it. */
  name: string
  effect: 'allow' | 'deny'
  /**
   * What it is about. One with `:own` is about the asker's own things, one without is about those,
   * too.
   */
  permissions: readonly P[] | 'all'
  /** Quick and without side effects: it is asked at every decision. */
  when(question: Question): boolean
}

export interface Decision {
  allowed: boolean
  permission: string
  /** What decided. */
  rule: Rule
}

export type Rule =
  /** The role was given `permission`. */
  | { kind: 'role'; name: string; permission: string }
  | { kind: 'policy'; name: string; effect: 'allow' | 'deny' }
  /** The resource is another organization's. */
  | { kind: 'organization' }
  /** `:own` was asked of what is another's. */
  | { kind: 'owner' }
  /** Nobody is signed in. */
  | { kind: 'session' }
  /** Nothing allows it. */
  | { kind: 'none' }

/** A decision for the record: ids, no personal data. */
export interface AccessRecord extends Decision {
  /** Null when nobody was signed in. */
  userId: string | null
  organizationId: string | null
  /** The resource's `id`; null where it has none. */
  resourceId: string | null
}

export interface AccessOptions<P extends string, R extends string> {
  /** Default: `defaultRoles`. */
  roles?: Roles<P, R>
  policies?: readonly Policy<NoInfer<P>>[]
  /** What policies are told of a request. Default: nothing but the time. */
  circumstances?: (req: Request) => Partial<Circumstances>
  /** Told of every decision, after it. Whatever it throws changes none. */
  audit?: (record: AccessRecord) => unknown
  /** Default: the machine's time. */
  clock?: Clock
}

export interface Can<P extends string> {
  /**
   * Whether the session may do `permission` to `resource`. Without a resource: whether it may do it
   * at all, and an `:own` one to what it owns. Never throws; a session that is null may do nothing.
   */
  <T extends Resource>(
    session: Session | null,
    permission: P,
    resource?: T | null,
    circumstances?: Partial<Circumstances> & { explain?: false },
  ): boolean
  /** The same, with the rule that decided. */
  <T extends Resource>(
    session: Session | null,
    permission: P,
    resource: T | null | undefined,
    circumstances: Partial<Circumstances> & { explain: true },
  ): Decision
}

export interface Access<P extends string = Permission, R extends string = OrganizationRole> {
  roles: Roles<P, R>
  can: Can<P>
  /**
   * Asks for every one of `permissions`.
   *
   * @throws `insufficient_permission` (403)
   */
  require(session: Session, req: Request, permissions: readonly P[]): void
}

interface Indexed {
  name: string
  effect: 'allow' | 'deny'
  /** The permission is about the asker's own things only. */
  own: boolean
  when: Policy['when']
}

/** Roles and policies as one answer. Give it to `createAuth` and `createEdge`. */
export function createAccess<P extends string = Permission, R extends string = OrganizationRole>(
  options: AccessOptions<P, R> = {},
): Access<P, R> {
  const roles = options.roles ?? (defaultRoles as unknown as Roles<P, R>)
  const { circumstances, audit, clock = systemClock } = options
  const denials = indexed(options.policies ?? [], 'deny', roles.permissions)
  const grants = indexed(options.policies ?? [], 'allow', roles.permissions)
  const hasPolicies = denials.size + grants.size > 0

  function ruleOf(
    session: Session | null,
    permission: P,
    resource: Resource | null,
    given: Partial<Circumstances>,
  ): Rule & { allowed?: true } {
    if (!session) return { kind: 'session' }
    const { organizationId, organizationRole, userId } = session
    if (resource && resource.organizationId !== organizationId) return { kind: 'organization' }
    const isOwn = resource !== null && resource.ownerId === userId
    const base = baseOf(permission)
    const asksOwn = base !== permission
    if (asksOwn && resource && !isOwn) return { kind: 'owner' }

    const question: Question | null = hasPolicies
      ? {
          session,
          permission,
          resource: resource as Question['resource'],
          isOwn,
          now: given.now ?? clock.now(),
          location: given.location ?? {},
          environment: given.environment ?? {},
        }
      : null
    // Without a resource, what is asked of one's own is about one's own.
    const concernsOwn = isOwn || (asksOwn && resource === null)
    const denial = question && first(denials.get(base), question, concernsOwn)
    if (denial) return { kind: 'policy', name: denial.name, effect: 'deny' }

    const held: P | null = roles.has(organizationRole, permission)
      ? permission
      : isOwn && roles.has(organizationRole, `${base}:own` as P)
        ? (`${base}:own` as P)
        : null
    if (held) {
      return { kind: 'role', name: organizationRole as string, permission: held, allowed: true }
    }
    const grant = question && first(grants.get(base), question, concernsOwn)
    if (grant) return { kind: 'policy', name: grant.name, effect: 'allow', allowed: true }
    return { kind: 'none' }
  }

  const can = (
    session: Session | null,
    permission: P,
    resource: Resource | null = null,
    given: Partial<Circumstances> & { explain?: boolean } = {},
  ): boolean | Decision => {
    const { allowed = false, ...rule } = ruleOf(session, permission, resource, given)
    if (audit) record(audit, { allowed, permission, rule }, session, resource)
    return given.explain ? { allowed, permission, rule } : allowed
  }
  return {
    roles,
    can: can as Can<P>,
    require(session, req, permissions) {
      const given = { ...circumstances?.(req), explain: true } as const
      for (const permission of permissions) {
        const { allowed, rule } = can(session, permission, null, given) as Decision
        if (allowed) continue
        const role = session.organizationRole ?? 'none'
        throw new AuthError(
          'insufficient_permission',
          rule.kind === 'policy'
            ? `${permission} is required, and denied by a policy.`
            : `${permission} is required, the role is ${role}.`,
        )
      }
    },
  }
}

function indexed(
  policies: readonly Policy<string>[],
  effect: Policy['effect'],
  permissions: readonly string[],
): ReadonlyMap<string, readonly Indexed[]> {
  const found = new Map<string, Indexed[]>()
  for (const { name, effect: own, permissions: about, when } of policies) {
    if (own !== effect) continue
    for (const permission of about === 'all' ? permissions : about) {
      const base = baseOf(permission)
      const list = found.get(base) ?? []
      found.set(base, list)
      list.push({ name, effect, own: base !== permission, when })
    }
  }
  return found
}

/** The first policy that applies. One that throws applies if it denies, and does not if it allows. */
function first(
  policies: readonly Indexed[] | undefined,
  question: Question,
  concernsOwn: boolean,
): Indexed | undefined {
  return policies?.find(({ own, effect, when }) => {
    if (own && !concernsOwn) return false
    try {
      // A host without types may answer with a promise, which says nothing.
      return effect === 'deny' ? when(question) !== false : when(question) === true
    } catch {
      return effect === 'deny'
    }
  })
}

function record(
  audit: (record: AccessRecord) => unknown,
  decision: Decision,
  session: Session | null,
  resource: Resource | null,
): void {
  const id = (resource as { id?: unknown } | null)?.id
  const entry: AccessRecord = {
    ...decision,
    userId: session?.userId ?? null,
    organizationId: session?.organizationId ?? null,
    resourceId: typeof id === 'string' ? id : null,
  }
  try {
    const told = audit(entry)
    if (told instanceof Promise) told.catch(() => {})
  } catch {
    // A record that fails must not open or close a door.
  }
}

/** The default table without policies. */
export const defaultAccess: Access = createAccess()

export {
  defaultRoles,
  defineRoles,
  type OrganizationRole,
  PERMISSIONS,
  type Permission,
  ROLES,
  type Roles,
  type UserRole,
} from './permissions.ts'
