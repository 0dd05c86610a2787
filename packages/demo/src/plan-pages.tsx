/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */

/** The customer's view of a plan: the current plan, the price of a change, and the invoices. */

import type { PlanChangeQuote } from '@repo/billing'
import { formatMoney } from '@repo/core'
import type { Context } from 'hono'
import type { Dashboard } from './dashboard-data.ts'
import { Card, Layout } from './layout.tsx'

export function PlanCard({ subscription }: Pick<Dashboard, 'subscription'>) {
  const { plan, amount, currency, interval, endsAt, currentPeriodEnd, status } = subscription
  const { scheduledChange } = subscription
  return (
    <Card title="Your plan">
      <p>
        <strong data-testid="plan">{plan}</strong>
        {amount !== null && currency !== null && ` · ${money(amount, currency)} per ${interval}`}
      </p>
      {endsAt ? (
        <p data-testid="ends">Ends on {day(endsAt)}.</p>
      ) : scheduledChange ? (
        <p data-testid="change">
          Becomes {scheduledChange.plan} on {day(scheduledChange.at)}.
        </p>
      ) : (
        currentPeriodEnd && <p>Renews on {day(currentPeriodEnd)}.</p>
      )}
      {status === null ? (
        <form method="post" action="/billing/checkout">
          <button name="plan" value="PRO" type="submit">
            Upgrade to PRO
          </button>
        </form>
      ) : (
        <>
          {endsAt || scheduledChange ? (
            <form method="post" action="/billing/keep">
              <button type="submit">Keep {plan}</button>
            </form>
          ) : (
            <p>
              <a href={`/billing/change?plan=${OTHER[plan]}`}>Change to {OTHER[plan]}</a>
            </p>
          )}
          <form method="post" action="/billing/portal">
            <button class="quiet" type="submit">
              Manage billing
            </button>
          </form>
        </>
      )}
    </Card>
  )
}

const OTHER: Record<string, string> = { PRO: 'ENTERPRISE', ENTERPRISE: 'PRO' }

/** Shows the price of a change. The form contains the quote, so that exactly this price is charged. */
export function planChange(c: Context, { plan, quote }: { plan: string; quote: PlanChangeQuote }) {
  const { at, amountDue, credit, currency, nextInvoice } = quote
  return c.html(
    <Layout title={`Change to ${plan}`}>
      <Card title={`Change to ${plan}`}>
        {at === 'now' ? (
          <>
            <p>
              Today: <strong data-testid="due">{money(amountDue, currency)}</strong>
            </p>
            {credit > 0 && (
              <p>{money(credit, currency)} for the unused time of your present plan is deducted.</p>
            )}
          </>
        ) : (
          <p>Nothing today: you keep the plan you have paid for until the period ends.</p>
        )}
        <p>
          Then {money(nextInvoice.amount, currency)} on {day(nextInvoice.at)}.
        </p>
        <form method="post" action="/billing/change">
          <input type="hidden" name="plan" value={plan} />
          <input type="hidden" name="quote" value={JSON.stringify(quote)} />
          <button type="submit">{at === 'now' ? 'Change and pay' : 'Change then'}</button>
        </form>
        <a href="/dashboard">Back</a>
      </Card>
    </Layout>,
  )
}

export function InvoicesCard({ invoices }: Pick<Dashboard, 'invoices'>) {
  if (invoices.length === 0) return null
  return (
    <Card title="Invoices">
      {invoices.map(({ number, total, currency, status, createdAt, hostedInvoiceUrl }) => (
        <p class="row" data-testid="invoice">
          <span>{day(createdAt)}</span>
          <span>
            {money(total, currency)} · {status}
          </span>
          {hostedInvoiceUrl && <a href={hostedInvoiceUrl}>{number ?? 'Invoice'}</a>}
        </p>
      ))}
    </Card>
  )
}

export const money = (amount: number, currency: string) => formatMoney(amount, currency)
export const day = (date: Date) =>
  new Intl.DateTimeFormat('en', { dateStyle: 'long', timeZone: 'UTC' }).format(date)
