import type { Auth } from '@repo/auth'
import type { Billing } from '@repo/billing'
import type { Logger } from '@repo/core'

export interface HostOptions {
  auth: Auth
  billing: Billing
  /** Origins of the pages people are sent to: checkout, portal, booking. */
  providers: string[]
  logger?: Logger
}

/** What is sold beside the plans: one call, booked on Cal.com. */
export const CALL = {
  name: 'Strategy call, 30 minutes',
  amount: 4900,
  currency: 'usd',
  eventTypeId: 101,
} as const
