/**
 * Decides whether a session may do something. The order is fixed: a resource of another organization is
 * refused; then what any policy denies is refused; then what the role or a policy allows is allowed;
 * everything else is refused. A policy that throws counts as a refusal.
 *
 * @module
 */

import { type Clock, systemClock } from '@repo/core/edge'
import { AuthError } from './errors.ts'
import {
  baseOf,
  defaultRoles,
  type OrganizationRole,
  type Permission,
  type Roles,
} from './permissions.ts'
import type { Session } from './session/caller.ts'

/** The resource that a question is about. A row of the host's database will do. */
export interface Resource {
  /** The organization that the resource belongs to; null if it belongs to none. */
  organizationId: string | null
  /** The user who owns the resource, for `:own` permissions. Null or undefined: nobody owns it. */
  ownerId?: string | null | undefined
}

/** The facts about a request that policies may use. */
export interface Circumstances {
  /** Default: the clock's time. */
  now: Date
  /** Where the user is, as far as the host knows: `{ country: 'DE', ip: '192.0.2.1' }`. */
  location: Readonly<Record<string, string>>
  /** Any other facts for policies: `{ stage: 'production', maintenance: false }`. */
  environment: Readonly<Record<string, unknown>>
}

/** The question that a policy answers. */
export interface Question extends Circumstances {
  /** The session that asks. A policy is not asked about requests without one. */
  session: Session
  /** The permission as the caller gave it, including its `:own`. */
  permission: string
  /** Null if the caller named no resource. */
  resource: (Resource & Readonly<Record<string, unknown>>) | null
  /** Whether the session's user owns the resource. */
  isOwn: boolean
}

/** A rule beside the roles that allows or denies permissions. */
export interface Policy<P extends string = Permission> {
  /** The policy's name in the decisions of `explain`. */
  name: string
  /** Whether the policy allows its permissions or denies them. A denial beats roles and other policies. */
  effect: 'allow' | 'deny'
  /**
   * The permissions that the policy is about. With `:own`, the policy applies only to resources that the user
   * owns; without `:own`, it applies to all resources.
   */
  permissions: readonly P[] | 'all'
  /** Whether the policy applies. Must be quick and without side effects, because every decision calls it. */
  when(question: Question): boolean
}

/** The answer to a question, with the rule that decided it. */
export interface Decision {
  /** Whether the session may do it. */
  allowed: boolean
  /** The permission that was asked for. */
  permission: string
  /** The rule that decided. */
  rule: Rule
}

/** Why a question was allowed or refused. */
export type Rule =
  /** The role has `permission`. */
  | {
      kind: 'role'
      /** The role's name. */
      name: string
      /** The permission of the role that covers the question. */
      permission: string
    }
  /** A policy applies. */
  | {
      kind: 'policy'
      /** The policy's name. */
      name: string
      /** Whether the policy allowed it or denied it. */
      effect: 'allow' | 'deny'
    }
  /** The resource belongs to another organization. */
  | { kind: 'organization' }
  /** An `:own` permission was asked for a resource that the user does not own. */
  | { kind: 'owner' }
  /** Nobody is signed in. */
  | { kind: 'session' }
  /** Neither the role nor a policy allows it. */
  | { kind: 'none' }

/** A decision for an access log. It holds ids and no personal data. */
export interface AccessRecord extends Decision {
  /** Null when nobody was signed in. */
  userId: string | null
  /** The session's active organization; null without one. */
  organizationId: string | null
  /** The resource's `id`; null where it has none. */
  resourceId: string | null
}

/** The options of `createAccess`. */
export interface AccessOptions<P extends string, R extends string> {
  /** Default: `defaultRoles`. */
  roles?: Roles<P, R>
  /** The policies beside the roles, in any order. Default: none. */
  policies?: readonly Policy<NoInfer<P>>[]
  /** The facts of a request that policies get. Default: only the time. */
  circumstances?: (req: Request) => Partial<Circumstances>
  /** Called after every decision. An error that it throws changes no decision. */
  audit?: (record: AccessRecord) => unknown
  /** Default: the machine's time. */
  clock?: Clock
}

interface Unexplained {
  /** True returns the rule that decided, too. Default false. */
  explain?: false
}

/** The function that answers questions about permissions. */
export interface Can<P extends string> {
  /**
   * Whether the session may do `permission` to `resource`. Without a resource: whether the session may do it
   * at all, or, for an `:own` permission, to resources that the user owns. Never throws. A null session may
   * do nothing.
   */
  <T extends Resource>(
    session: Session | null,
    permission: P,
    resource?: T | null,
    circumstances?: Partial<Circumstances> & Unexplained,
  ): boolean
  /** The same, and returns the rule that decided. */
  <T extends Resource>(
    session: Session | null,
    permission: P,
    resource: T | null | undefined,
    circumstances: Partial<Circumstances> & { explain: true },
  ): Decision
}

/** Roles and policies together, as `createAuth` and `createEdge` take them. */
export interface Access<P extends string = Permission, R extends string = OrganizationRole> {
  /** The roles that `createAccess` was given, or the default ones. */
  roles: Roles<P, R>
  /** Answers whether a session may do something; see {@link Can}. */
  can: Can<P>
  /**
   * Throws unless the session has every one of `permissions`.
   *
   * @throws `insufficient_permission` (403)
   */
  require(session: Session, req: Request, permissions: readonly P[]): void
}

/** A policy, indexed by permission. */
interface Indexed {
  name: string
  effect: 'allow' | 'deny'
  /** The policy is only about resources that the user owns. */
  own: boolean
  when: Policy['when']
}

/** Makes an access object of roles and policies. Pass it to `createAuth` and `createEdge`. */
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
    // An `:own` permission without a resource is about the user's own resources.
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
            ? `${permission} is required, but a policy denies it.`
            : `${permission} is required, but the role is ${role}.`,
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

/**
 * The first policy that applies. A policy that throws applies if it denies, and does not apply if it allows.
 */
function first(
  policies: readonly Indexed[] | undefined,
  question: Question,
  concernsOwn: boolean,
): Indexed | undefined {
  return policies?.find(({ own, effect, when }) => {
    if (own && !concernsOwn) return false
    try {
      // A host without types may return a promise. A promise counts like an error.
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
    // An error in the host's log must not change the decision.
  }
}

/** The default roles, without policies. */
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
