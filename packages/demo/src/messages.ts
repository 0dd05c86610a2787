/**
 * What the demo says to its customers about forms and refusals, by code. No text of a library and no id is shown.
 *
 * @module
 */

/** What a form did, by the `done` of the page after it. */
export const NOTICES: Record<string, string> = {
  verified: 'Your address is confirmed. Sign in.',
  reset: 'Your password is changed, and every other session has ended. Sign in.',
  subscribed: 'Thank you – your plan is active.',
  bought: 'Thank you – now choose a time for your call.',
  changed: 'Your change of plan is saved.',
  kept: 'Nothing changes: your plan renews as it is.',
  invited: 'The invitation is on its way.',
  joined: 'Welcome to the team.',
  role: 'The role is changed.',
  transferred: 'The organization has a new owner; you are now an admin.',
  left: 'You have left the organization.',
  session: 'The session has ended.',
  sessions: 'All other sessions have ended.',
  address: 'We sent a link to the new address. Your address changes once you have used it.',
  moved: 'Your account has its new address.',
  undone: 'The change was undone. Choose a new password with the link in your mail.',
  password: 'Your password is changed, and every other session has ended.',
  deletion: 'Your account will be deleted in 30 days. Until then, sign in to keep it.',
  account_kept: 'Your account stays.',
  drawn: 'Your picture is drawn.',
  second_factor: 'Your second factor is on. Every other session has ended.',
  second_factor_off: 'Your second factor is off.',
  passkey: 'Your passkey is saved.',
  passkey_removed: 'The passkey is removed.',
  booked: 'Your call is booked. It appears below as soon as Cal.com has told us.',
}

/** Why a form was refused, by the `error` of the page after it. */
export const ERRORS: Record<string, string> = {
  email_not_verified: 'Confirm your address first: we sent you a link.',
  invalid_email_or_password:
    'The address or the password is wrong, or the address is not confirmed yet. If only the confirmation is missing, we have sent you another link.',
  too_many_attempts:
    'Too many wrong passwords. Leave the password empty and press Confirm: you can then choose a new one.',
  invalid_token: 'This link has been used or has expired. If you have used it, just sign in.',
  invitation_not_found: 'This invitation has been used, has expired or was withdrawn.',
  user_is_already_invited_to_this_organization: 'This address already has an invitation.',
  user_is_already_a_member_of_this_organization: 'This address already belongs to a member.',
  you_are_not_allowed_to_invite_user_with_this_role: 'That role is above yours.',
  you_are_not_allowed_to_update_this_member: 'That role is above yours.',
  you_cannot_leave_the_organization_as_the_only_owner:
    'An organization needs an owner: hand it over first.',
  drawing_failed: 'The drawing failed. You got your credits back.',
  insufficient_credits: 'Not enough credits: buy some first.',
  password_too_short: 'The password is too short.',
  password_too_long: 'The password is too long.',
  invalid_password: 'The password is wrong.',
  recent_sign_in_required: 'For this you need to sign in again or type your password.',
  invalid_email: 'The e-mail address is not valid.',
  email_unchanged: 'Your account already has this address.',
  email_taken: 'Another account has this address now.',
  other_account: 'This link belongs to another account. Sign in to that account first.',
  not_authenticated: 'Sign in first, then use the link again.',
  organizations_need_owner:
    'You are the only owner of an organization. Hand it over or delete it first.',
  too_many_requests: 'Too many attempts. Try again later.',
  password_compromised: 'This password is known from a breach. Choose another one.',
  invalid_code: 'The code is wrong.',
  invalid_backup_code: 'The backup code is wrong or has been used.',
  code_used: 'This code has been used. Wait for the next one.',
  account_temporarily_locked: 'Too many wrong codes. Try again in a quarter of an hour.',
  invalid_two_factor_cookie: 'No sign-in waits for a code here. Sign in again.',
  failed_to_unlink_last_account: 'This is your only way to sign in. Add another one first.',
  unknown_session: 'This session has ended already.',
  access_denied: 'You cancelled, so nobody was signed in.',
  email_not_found: 'This account has no e-mail address. Choose another account, or sign up.',
  provider_unavailable: 'The provider does not answer. Try again in a minute.',
  unable_to_get_user_info: 'The provider did not say who you are. Try again in a minute.',
  passkey_refused: 'This passkey was not accepted. Try again.',
}

/** What a code means on the sign-in page, where a provider's code was refused and none of an authenticator app. */
export const SIGN_IN_ERRORS: Record<string, string> = {
  invalid_code: 'The provider did not confirm the sign-in. Try again.',
}

/** The fields that an error is about. */
export const FIELDS_OF: Record<string, readonly string[]> = {
  email_not_verified: ['email'],
  invalid_email_or_password: ['email', 'password'],
  invalid_password: ['password', 'currentPassword'],
  password_too_short: ['password', 'newPassword'],
  password_too_long: ['password', 'newPassword'],
  password_compromised: ['password', 'newPassword'],
  too_many_attempts: ['password'],
  invalid_email: ['email', 'newEmail'],
  email_unchanged: ['newEmail'],
  email_taken: ['newEmail'],
  user_is_already_invited_to_this_organization: ['email'],
  user_is_already_a_member_of_this_organization: ['email'],
  invalid_code: ['code'],
  invalid_backup_code: ['code'],
  code_used: ['code'],
}

/** Why a page was refused, by the code of the error. */
export const REFUSALS: Record<string, string> = {
  already_subscribed: 'You already have a plan. Change it on your dashboard.',
  authentication_required: 'Your bank asks you to confirm the payment. Open “Manage billing”.',
  card_declined: 'Your card was declined, and nothing has changed.',
  customer_not_found: 'You have bought nothing yet, so there is no billing to manage.',
  payment_method_required: 'There is no card to charge. Add one under “Manage billing”.',
  quote_changed: 'The price has changed since you saw it. Look at the new price first.',
  quote_expired: 'The price that you saw is no longer valid. Look at the new price first.',
  invalid_quote: 'The price could not be read. Look at it again.',
  plan_not_found: 'There is no such plan.',
  subscription_ending: 'Your plan is about to end. Keep it first, then change it.',
  subscription_not_active: 'Your plan is not active, so it cannot be changed.',
  subscription_not_found: 'You have no plan to change. Choose one on your dashboard.',
  order_processing: 'A purchase of yours is still being paid. Try again in a minute.',
  internal_error: 'Something went wrong on our side. It has been logged.',
}

/** Why a page was refused, by status, where the code has no text. */
export const REFUSED: Record<number, string> = {
  403: 'You may not do this.',
  404: 'This page does not exist, or what it showed is gone.',
  429: 'Too many attempts. Try again later.',
  500: 'Something went wrong on our side. It has been logged.',
  503: 'A service that we need does not answer. Try again in a minute.',
}
