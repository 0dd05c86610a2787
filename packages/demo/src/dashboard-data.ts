import type { Auth } from '@repo/auth'
import type { Billing } from '@repo/billing'

/** The rows that the dashboard shows, as auth and billing return them. */
export interface Dashboard {
  user: NonNullable<Awaited<ReturnType<Auth['getUser']>>>
  subscription: Awaited<ReturnType<Billing['getSubscription']>>
  invoices: Awaited<ReturnType<Billing['listInvoices']>>
  payments: Awaited<ReturnType<Billing['listPayments']>>
  bookings: Awaited<ReturnType<Billing['listBookings']>>
}
