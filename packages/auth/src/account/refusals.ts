/**
 * The errors of the account's endpoints.
 *
 * @module
 */

import { APIError } from 'better-auth/api'

type Status = ConstructorParameters<typeof APIError>[0]

const refuse = (status: Status, code: string, message: string, more: object = {}) =>
  new APIError(status, { code, message, ...more })

/** Nobody is signed in. */
export const notAuthenticated = () =>
  refuse('UNAUTHORIZED', 'not_authenticated', 'Nobody is signed in.')

/** The session lacks its second factor. */
export const mfaRequired = () =>
  refuse('FORBIDDEN', 'mfa_required', 'Show the second factor first.')

/** The sign-in is no longer recent. `url` is where a consent page leads. */
export const notFresh = (more: { url?: string } = {}) =>
  refuse(
    'FORBIDDEN',
    'recent_sign_in_required',
    'Sign in again first, or send the password where the endpoint takes one.',
    more,
  )

export const invalidPassword = () =>
  refuse('BAD_REQUEST', 'invalid_password', 'The password is wrong.')

export const invalidEmail = () =>
  refuse('BAD_REQUEST', 'invalid_email', 'The new address is not a valid e-mail address.')

export const emailUnchanged = () =>
  refuse('BAD_REQUEST', 'email_unchanged', 'The account already has this address.')

/** Only for a caller who has shown a link that was mailed to the address. */
export const emailTaken = () =>
  refuse(
    'CONFLICT',
    'email_taken',
    'Another account has this address. Give that account another address or delete it, then use the link again.',
  )

/** The link was mailed for another account than the signed-in one. */
export const otherAccount = () =>
  refuse(
    'FORBIDDEN',
    'other_account',
    'The link belongs to another account. Sign in to the account that asked for the address.',
  )

export const deletionNotScheduled = () =>
  refuse('BAD_REQUEST', 'deletion_not_scheduled', 'No deletion of this account is scheduled.')

/** For an only owner. The answer lists the organizations in `organizationIds`. */
export const organizationsNeedOwner = (organizationIds: readonly string[]) =>
  refuse(
    'CONFLICT',
    'organizations_need_owner',
    `Hand over or delete the organizations that nobody else owns: ${organizationIds.join(', ')}.`,
    { organizationIds },
  )
