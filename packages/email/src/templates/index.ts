import { AccountExistsEmail } from './AccountExistsEmail.tsx'
import { MagicLinkEmail } from './MagicLinkEmail.tsx'
import { PasswordResetEmail } from './PasswordResetEmail.tsx'
import { PaymentFailedEmail } from './PaymentFailedEmail.tsx'
import { SubscriptionConfirmedEmail } from './SubscriptionConfirmedEmail.tsx'
import { TeamInviteEmail } from './TeamInviteEmail.tsx'
import { WelcomeEmail } from './WelcomeEmail.tsx'

/** The templates that come with the package. A host spreads them beside its own. */
export const builtInEmails = {
  WelcomeEmail,
  PasswordResetEmail,
  MagicLinkEmail,
  SubscriptionConfirmedEmail,
  PaymentFailedEmail,
  TeamInviteEmail,
  AccountExistsEmail,
}

export type BuiltInEmails = typeof builtInEmails

export {
  AccountExistsEmail,
  MagicLinkEmail,
  PasswordResetEmail,
  PaymentFailedEmail,
  SubscriptionConfirmedEmail,
  TeamInviteEmail,
  WelcomeEmail,
}
