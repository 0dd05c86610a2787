/**
 * What the database refuses, in the words Better Auth uses for it. Its own checks come first and find
 * nearly all; these are for two at once, and for those who go another way.
 *
 * @module
 */

import { APIError } from 'better-auth/api'

type Status = 'BAD_REQUEST' | 'SERVICE_UNAVAILABLE'

const REFUSALS: readonly [sign: RegExp, status: Status, code: string, message: string][] = [
  [
    /must have an owner/,
    'BAD_REQUEST',
    'you_cannot_leave_the_organization_as_the_only_owner',
    'An organization needs an owner: hand it over first, or delete it.',
  ],
  [
    /Organization_slug_key|^(?=.*"Organization").*slug|\(`?slug`?\)/s,
    'BAD_REQUEST',
    'organization_already_exists',
    'There is an organization of this address already.',
  ],
  [
    /Member_organizationId_userId_key|\(`?organizationId`?,`?userId`?\)/,
    'BAD_REQUEST',
    'user_is_already_a_member_of_this_organization',
    'The user is a member of this organization already.',
  ],
]

/** The refusal for an error of the database; null for any other error. */
export function refusalOf(error: unknown): APIError | null {
  if (!(error instanceof Error)) return null
  const said = `${error.message} ${JSON.stringify((error as { meta?: unknown }).meta ?? {})}`
  for (const [sign, status, code, message] of REFUSALS) {
    if (sign.test(said)) return new APIError(status, { code, message })
  }
  if ((error as { code?: unknown }).code !== 'P2028') return null
  return new APIError('SERVICE_UNAVAILABLE', {
    code: 'organization_busy',
    message: 'Others are changing this organization; try again.',
  })
}
