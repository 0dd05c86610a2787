/**
 * What a verification value is good for.
 *
 * @module
 */

/** The beginnings of Better Auth's identifiers and of ours, each with its purpose. */
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
  // Before the one below, which begins alike.
  '2fa-attempts-': 'second-factor-attempts',
  '2fa-': 'second-factor-challenge',
} as const

/** What a value is good for. */
export type VerificationPurpose = (typeof PURPOSES)[keyof typeof PURPOSES] | 'passkey-challenge'
