/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */

/** The dashboard: the plan, the calls and the invoices of a customer. */

import type { Context } from 'hono'
import type { Dashboard } from './dashboard-data.ts'
import { Notices } from './form.tsx'
import { Act, Card, Layout } from './layout.tsx'
import { InvoicesCard, PlanCard } from './plan-pages.tsx'
import { isCall, money, products, time } from './product.ts'

/** The statuses of a booking, in words. */
const BOOKED: Record<string, string> = {
  accepted: 'Confirmed',
  pending: 'Waits for our answer',
  cancelled: 'Cancelled',
  rejected: 'Declined',
  rescheduled: 'Moved',
}

export const dashboard = (c: Context, data: Dashboard) =>
  c.html(
    <Layout c={c} title="Dashboard" top="customer" width="wide">
      <h1>Hello, {data.user.name}</h1>
      <Notices />
      {data.user.deletionDueAt && (
        <p class="warn" role="alert">
          This account will be deleted on {time(data.user.deletionDueAt)}.{' '}
          <a href="/account">Keep it</a>
        </p>
      )}
      <div class="grid pair">
        <PlanCard {...data} />
        <CallsCard {...data} />
      </div>
      <InvoicesCard {...data} />
    </Layout>,
  )

function CallsCard({ payments, bookings }: Dashboard) {
  const booked = new Set(bookings.map((booking) => booking.paymentId))
  const open = payments.filter(
    (payment) => isCall(payment) && payment.paidAt && !booked.has(payment.id),
  )
  return (
    <Card title="Calls">
      {bookings.length === 0 && open.length === 0 && (
        <p>Half an hour about your pictures. Pay first, then choose a time.</p>
      )}
      {bookings.map((booking) => (
        <div class="line" data-testid="booking">
          <p>
            <strong>{time(booking.startsAt)}</strong>{' '}
            <span class="tag">{BOOKED[booking.status] ?? booking.status}</span>
            <br />
            <span class="hint">{booking.title}</span>
          </p>
        </div>
      ))}
      {open.map((payment) => (
        <Act to="/calls/book" name="paymentId" value={payment.id}>
          Book your call
        </Act>
      ))}
      <form method="post" action="/calls/buy">
        <button class="quiet" type="submit">
          Buy a call · {money(products.STRATEGY_CALL.amount, products.STRATEGY_CALL.currency)}
        </button>
      </form>
    </Card>
  )
}
