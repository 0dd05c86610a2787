/**
 * Turns the database's refusals into Better Auth's errors. Better Auth's own checks come first and refuse
 * nearly everything. These errors are for parallel requests, and for callers who bypass those checks.
 *
 * @module
 */

import { APIError } from 'better-auth/api'

type Status = 'BAD_REQUEST' | 'SERVICE_UNAVAILABLE'

/** The error for each message of the database. */
const REFUSALS: readonly [sign: RegExp, status: Status, code: string, message: string][] = [
  [
    /must have an owner/,
    'BAD_REQUEST',
    'you_cannot_leave_the_organization_as_the_only_owner',
    'An organization needs an owner: hand it over first, or delete it.',
  ],
  [
    /Organization_slug_key|^(?=[\s\S]*"Organization")[\s\S]*slug|\(`?slug`?\)/,
    'BAD_REQUEST',
    'organization_already_exists',
    'Another organization already has this slug. Choose another.',
  ],
  [
    /Member_organizationId_userId_key|\(`?organizationId`?,`?userId`?\)/,
    'BAD_REQUEST',
    'user_is_already_a_member_of_this_organization',
    'The user is already a member of this organization.',
  ],
]

/** The error for a refusal of the database; null for any other error. */
export function refusalOf(error: unknown): APIError | null {
  if (!(error instanceof Error)) return null
  const said = `${error.message} ${JSON.stringify((error as { meta?: unknown }).meta ?? {})}`
  for (const [sign, status, code, message] of REFUSALS) {
    if (sign.test(said)) return new APIError(status, { code, message })
  }
  if ((error as { code?: unknown }).code !== 'P2028') return null
  return new APIError('SERVICE_UNAVAILABLE', {
    code: 'organization_busy',
    message: 'Others are changing this organization. Try again.',
  })
}
