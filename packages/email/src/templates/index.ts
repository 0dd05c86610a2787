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
  PasswordResetEmail,
  MagicLinkEmail,
  SubscriptionConfirmedEmail,
  PaymentFailedEmail,
  TeamInviteEmail,
  AccountExistsEmail,
  NewAddressEmail,
  AddressChangeEmail,
  AccountDeletionEmail,
  SecurityAlertEmail,
}

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
