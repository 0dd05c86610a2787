import { AccountDeletionEmail } from './AccountDeletionEmail.tsx'
import { AccountExistsEmail } from './AccountExistsEmail.tsx'
import { AddressChangeEmail } from './AddressChangeEmail.tsx'
import { MagicLinkEmail } from './MagicLinkEmail.tsx'
import { NewAddressEmail } from './NewAddressEmail.tsx'
import { PasswordResetEmail } from './PasswordResetEmail.tsx'
import { PaymentFailedEmail } from './PaymentFailedEmail.tsx'
import { SecurityAlertEmail } from './SecurityAlertEmail.tsx'
import { SubscriptionConfirmedEmail } from './SubscriptionConfirmedEmail.tsx'
import { TeamInviteEmail } from './TeamInviteEmail.tsx'
import { WelcomeEmail } from './WelcomeEmail.tsx'

/** The built-in templates. A host spreads them beside its own. */
export const builtInEmails = {
  WelcomeEmail,
  /** A link to set a new password. */
  PasswordResetEmail,
  MagicLinkEmail,
  /** The plan is active, with its price and period. */
  SubscriptionConfirmedEmail,
  /** A payment of the plan did not go through. */
  PaymentFailedEmail,
  /** An invitation to an organization. */
  TeamInviteEmail,
  /** Somebody signed up with the address of an existing account. */
  AccountExistsEmail,
  NewAddressEmail,
  /** The account's address is being changed, was changed, or was changed back. */
  AddressChangeEmail,
  /** The deletion of the account was asked for, is blocked, was taken back, or is done. */
  AccountDeletionEmail,
  /** Something happened to the account's security, such as a sign-in from a new network. */
  SecurityAlertEmail,
}

/** The names and props of the built-in templates. */
export type BuiltInEmails = typeof builtInEmails

export {
  AccountDeletionEmail,
  AccountExistsEmail,
  AddressChangeEmail,
  MagicLinkEmail,
  NewAddressEmail,
  PasswordResetEmail,
  PaymentFailedEmail,
  SecurityAlertEmail,
  SubscriptionConfirmedEmail,
  TeamInviteEmail,
  WelcomeEmail,
}
