/**
 * The purposes of verification values.
 *
 * @module
 */

/** The purpose of each prefix of an identifier, Better Auth's and ours. */
export const PURPOSES = {
  'auth-state:': 'oauth-state',
  'authorization_code:': 'authorization-code',
  'change-email:': 'email-change',
  'confirm-email:': 'email-confirmation',
  'magic-link:': 'magic-link',
  'reset-password:': 'password-reset',
  'revoke-unproven-account-access:': 'unproven-access-lock',
  'sign-up:': 'sign-up',
  'undo-email-change:': 'email-change-undo',
  // This prefix comes before the shorter one that it begins with.
  '2fa-attempts-': 'second-factor-attempts',
  '2fa-': 'second-factor-challenge',
} as const

/** The purpose of a verification value. */
export type VerificationPurpose = (typeof PURPOSES)[keyof typeof PURPOSES] | 'passkey-challenge'
