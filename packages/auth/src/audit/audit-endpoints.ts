/**
 * The audit action of each endpoint, and the reason of each endpoint that leaves no entry. Every endpoint
 * that changes something is listed here; a test compares the list with the running handler, so no new
 * endpoint can be forgotten.
 *
 * @module
 */

import type { AuditAction } from './audit.ts'

type Actions = Readonly<Record<string, AuditAction>>

/** The endpoints at which a sign-in may end. */
export const SIGNS_IN =
  /^\/(sign-in\/|callback\/|magic-link\/verify|passkey\/verify-authentication)/
/** The endpoints that check a code of the second factor. */
export const SECOND_FACTOR = /^\/two-factor\/verify-(totp|backup-code)$/

/** The endpoints that change something of the user's own account. */
export const OWN: Actions = {
  '/sign-out': 'sign_out',
  '/oauth2/end-session': 'sign_out', // #oauth-server
  '/oauth2/end-session/confirm': 'sign_out', // #oauth-server
  '/change-password': 'password_changed',
  '/revoke-session': 'session_revoked',
  '/revoke-sessions': 'session_revoked',
  '/revoke-other-sessions': 'session_revoked',
  '/unlink-account': 'account_unlinked',
  '/update-user': 'profile_changed',
  '/passkey/verify-registration': 'passkey_added',
  '/passkey/update-passkey': 'passkey_renamed',
  '/passkey/delete-passkey': 'passkey_removed',
  '/two-factor/enable': 'second_factor_prepared',
  '/two-factor/get-totp-uri': 'second_factor_shown',
  '/two-factor/disable': 'two_factor_disabled',
  '/two-factor/generate-backup-codes': 'backup_codes_replaced',
  '/organization/leave': 'member_removed',
  '/organization/accept-invitation': 'member_added',
  '/organization/reject-invitation': 'invitation_rejected',
}

// #region oauth-server
/** The endpoints about OAuth clients: the user's own clients, and the user's consents to any client. */
export const PROGRAMS: Actions = {
  '/oauth2/consent': 'program_allowed',
  '/oauth2/update-consent': 'program_consent_changed',
  '/oauth2/delete-consent': 'program_consent_withdrawn',
  '/oauth2/create-client': 'program_created',
  '/admin/oauth2/create-client': 'program_created',
  '/oauth2/update-client': 'program_changed',
  '/admin/oauth2/update-client': 'program_changed',
  '/oauth2/client/rotate-secret': 'program_secret_replaced',
  '/oauth2/delete-client': 'program_deleted',
}
// #endregion

/** The endpoints that change an organization. */
export const ORGANIZATIONS: Actions = {
  '/organization/create': 'organization_created',
  '/organization/update': 'organization_changed',
  '/organization/delete': 'organization_deleted',
  '/organization/invite-member': 'member_invited',
  '/organization/cancel-invitation': 'invitation_canceled',
}

/** The endpoints that change another member. */
export const OTHERS: Actions = {
  '/organization/update-member-role': 'role_changed',
  '/organization/remove-member': 'member_removed',
  '/organization/transfer-ownership': 'role_changed',
}

/** The endpoints whose own code, or the code that they call, writes the entry. */
const ELSEWHERE: Actions = {
  '/callback/:id': 'sign_in',
  '/change-email': 'email_change_requested',
  '/change-email/confirm': 'email_changed',
  '/change-email/undo': 'email_change_undone',
  '/confirm-email': 'address_confirmed',
  '/delete-user': 'deletion_requested',
  '/delete-user/cancel': 'deletion_cancelled',
  '/passkey/verify-authentication': 'sign_in',
  '/request-password-reset': 'password_reset_requested',
  '/reset-password': 'password_reset',
  '/sign-in/email': 'sign_in',
  '/sign-in/magic-link/confirm': 'sign_in',
  '/sign-in/social': 'sign_in',
  '/two-factor/verify-backup-code': 'second_factor',
  '/two-factor/verify-totp': 'second_factor',
}

/** The action of each endpoint that leaves an entry. */
export const AUDITED: Actions = {
  ...OWN,
  ...PROGRAMS, // #oauth-server
  ...ORGANIZATIONS,
  ...OTHERS,
  ...ELSEWHERE,
}

const READS = 'It reads, and changes nothing.'
const CLOSED = 'It is closed, and changes nothing.'
const HOST = 'Only the host’s own code reaches it.'

/** Each endpoint that leaves no entry although its method is not GET, with the reason. */
export const UNAUDITED: Readonly<Record<string, string>> = {
  '/access/refresh':
    'It exchanges a token of the same session. A used one is recorded: session_reused.',
  // #region oauth-server
  '/admin/oauth2/resources': HOST,
  '/admin/oauth2/resources/:identifier': HOST,
  '/admin/oauth2/resources/:identifier/clients/:client_id': HOST,
  // #endregion
  '/get-access-token': HOST,
  '/get-session': READS,
  '/link-social': 'It leads to a provider. What comes back is recorded: account_linked.',
  // #region oauth-server
  '/oauth2/authorize': 'It gives a code to a program that was allowed before: program_allowed.',
  '/oauth2/continue': 'It goes on with a request for a code, and allows nothing.',
  '/oauth2/introspect': READS,
  '/oauth2/public-client-prelogin': READS,
  '/oauth2/register': CLOSED,
  '/oauth2/revoke': 'A program gives a token of its own back.',
  '/oauth2/token':
    'Programs ask every few minutes. A used token is recorded: refresh_token_reused.',
  '/oauth2/userinfo': READS,
  // #endregion
  '/organization/check-slug': READS,
  '/organization/has-permission': READS,
  '/organization/set-active': 'It says what the same session acts for.',
  '/refresh-token': HOST,
  '/send-verification-email': 'It mails a link. Pressing the link is recorded: address_confirmed.',
  '/sign-in/magic-link': 'It mails a link. Pressing the link is recorded: sign_in.',
  '/sign-up/email': 'Nobody can enter the account before its address is: address_confirmed.',
  '/two-factor/send-otp': CLOSED,
  '/two-factor/verify-otp': CLOSED,
  '/update-session': 'A session has no field that a request may change.',
  '/verify-password': 'It changes nothing. A wrong password is recorded: password_failed.',
}
