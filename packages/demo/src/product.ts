import type { Auth } from '@repo/auth'
import type { Billing } from '@repo/billing'

export interface HostOptions {
  auth: Auth
  billing: Billing
  /** Origins of the pages people are sent to: checkout, portal, booking. */
  providers: string[]
}

/** What is sold beside the plans: one call, booked on Cal.com. */
export const CALL = {
  name: 'Strategy call, 30 minutes',
  amount: 4900,
  currency: 'usd',
  eventTypeId: 101,
} as const
