/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */

/** The customer's view of a plan: the current plan, the price of a change, and the invoices. */

import type { PlanChangeQuote } from '@repo/billing'
import type { Context } from 'hono'
import type { Dashboard } from './dashboard-data.ts'
import { Act, Card, Layout } from './layout.tsx'
import { day, money, offers, planName } from './product.ts'

/** The statuses of an invoice, in words. */
const INVOICED: Record<string, string> = {
  draft: 'In preparation',
  open: 'Open',
  paid: 'Paid',
  uncollectible: 'Not paid',
  void: 'Void',
}

export function PlanCard({ subscription }: Pick<Dashboard, 'subscription'>) {
  const { plan, amount, currency, interval, endsAt, currentPeriodEnd, status } = subscription
  const { scheduledChange } = subscription
  const offer = offers.find((each) => each.plan === plan)
  return (
    <Card title="Your plan">
      <p>
        <strong class="price" data-testid="plan">
          {planName(plan)}
        </strong>
        {amount !== null && currency !== null && ` · ${money(amount, currency)} per ${interval}`}
        <br />
        {offer?.gets}
      </p>
      {status === 'past_due' && (
        <p class="warn">Your last payment failed. Change your card under “Manage billing”.</p>
      )}
      {endsAt ? (
        <p class="warn" data-testid="ends">
          Ends on {day(endsAt)}.
        </p>
      ) : scheduledChange ? (
        <p class="warn" data-testid="change">
          Becomes {planName(scheduledChange.plan)} on {day(scheduledChange.at)}.
        </p>
      ) : (
        currentPeriodEnd && <p>Renews on {day(currentPeriodEnd)}.</p>
      )}
      {status === null ? <PlansOnSale /> : <PlanButtons {...subscription} />}
    </Card>
  )
}

const PlansOnSale = () => (
  <>
    {offers.map(
      ({ plan, name, price, gets }) =>
        price && (
          <div class="line">
            <p>
              <strong>{name}</strong> · {price} per month
              <br />
              <span class="hint">{gets}</span>
            </p>
            <Act to="/billing/checkout" name="plan" value={plan}>
              Upgrade to {name}
            </Act>
          </div>
        ),
    )}
  </>
)

function PlanButtons({ plan, endsAt, scheduledChange }: Dashboard['subscription']) {
  const other = OTHER[plan]
  return (
    <div class="actions">
      {endsAt || scheduledChange ? (
        <form method="post" action="/billing/keep">
          <button type="submit">Keep {planName(plan)}</button>
        </form>
      ) : (
        other && (
          <a class="button" href={`/billing/change?plan=${other}`}>
            Change to {planName(other)}
          </a>
        )
      )}
      <form method="post" action="/billing/portal">
        <button class="quiet" type="submit">
          Manage billing
        </button>
      </form>
    </div>
  )
}

const OTHER: Record<string, string> = { PRO: 'ENTERPRISE', ENTERPRISE: 'PRO' }

/** Shows the price of a change. The form contains the quote, so that exactly this price is charged. */
export function planChange(c: Context, { plan, quote }: { plan: string; quote: PlanChangeQuote }) {
  const { at, nextInvoice, currency } = quote
  const title = `Change to ${planName(plan)}`
  return c.html(
    <Layout c={c} title={title} top="customer">
      <Card title={title} isPage>
        {at === 'now' ? (
          <DueToday plan={plan} quote={quote} />
        ) : (
          <p>
            Nothing is due today: you keep the plan that you have paid for until{' '}
            {day(nextInvoice.at)}.
          </p>
        )}
        <p>
          Then {money(nextInvoice.amount, currency)} on {day(nextInvoice.at)}.
        </p>
        <form method="post" action="/billing/change">
          <input type="hidden" name="plan" value={plan} />
          <input type="hidden" name="quote" value={JSON.stringify(quote)} />
          <div class="actions">
            <button type="submit">{at === 'now' ? 'Change and pay' : 'Change then'}</button>
            <a href="/dashboard">Back</a>
          </div>
        </form>
      </Card>
    </Layout>,
  )
}

/** The sum of a change: the new plan, less the credit for the present one. */
function DueToday({ plan, quote }: { plan: string; quote: PlanChangeQuote }) {
  const { amountDue, credit, currency } = quote
  return (
    <table>
      <tbody>
        {credit > 0 && (
          <>
            <tr>
              <td>{planName(plan)}, from today</td>
              <td class="number">{money(amountDue + credit, currency)}</td>
            </tr>
            <tr>
              <td>Credit for the unused time of your present plan</td>
              <td class="number">−{money(credit, currency)}</td>
            </tr>
          </>
        )}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row">Today</th>
          <td class="number" data-testid="due">
            {money(amountDue, currency)}
          </td>
        </tr>
      </tfoot>
    </table>
  )
}

export function InvoicesCard({ invoices }: Pick<Dashboard, 'invoices'>) {
  if (invoices.length === 0) return null
  return (
    <Card title="Invoices">
      <table>
        <thead>
          <tr>
            <th>Invoice</th>
            <th>Status</th>
            <th class="number">Total</th>
          </tr>
        </thead>
        <tbody>
          {invoices.map(({ number, total, currency, status, createdAt, hostedInvoiceUrl }) => (
            <tr data-testid="invoice">
              <td>
                {day(createdAt, 'medium')}
                <br />
                {hostedInvoiceUrl ? (
                  <a href={hostedInvoiceUrl}>{number ?? 'Invoice'}</a>
                ) : (
                  <span class="hint">{number}</span>
                )}
              </td>
              <td>{INVOICED[status ?? ''] ?? status}</td>
              <td class="number">{money(total, currency)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Card>
  )
}
