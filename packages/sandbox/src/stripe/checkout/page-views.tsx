/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */
/**
 * The views of the hosted pages.
 *
 * @module
 */

import { day, money, Notice, Page } from '../../layout.tsx'
import { sumOf } from '../catalog/taxes.ts'
import { defaultCard } from '../invoices/invoices.ts'
import type { Recurring } from '../server/base-objects.ts'
import type {
  CheckoutSession,
  Invoice,
  InvoiceLine,
  PaymentIntent,
  PortalSession,
  Subscription,
} from '../server/objects.ts'
import { referring, type Store } from '../server/store.ts'
import { daysAfter } from '../subscriptions/periods.ts'
import { isEnded } from '../subscriptions/subscription-life.ts'
import { featuresAt } from './portal.ts'

const AREA = 'Stripe'

function every(recurring: Recurring | null): string {
  if (recurring === null) return ''
  const { interval, interval_count: count } = recurring
  return count === 1 ? ` per ${interval}` : ` every ${count} ${interval}s`
}

/** Fields for number, expiry and security code, all empty. */
function CardFields() {
  return (
    <>
      <label>
        Card number
        <input name="number" inputmode="numeric" autocomplete="cc-number" required />
      </label>
      <div class="pair">
        <label>
          Expiry (MM / YY)
          <input name="expiry" autocomplete="cc-exp" placeholder="12 / 34" required />
        </label>
        <label>
          CVC
          <input name="cvc" inputmode="numeric" autocomplete="cc-csc" required />
        </label>
      </div>
    </>
  )
}

function TestCards() {
  return (
    <section class="card soft">
      <h2>Test cards</h2>
      <p>
        <code>4242 4242 4242 4242</code> pays.
        <br />
        <code>4000 0000 0000 0002</code> is declined.
        <br />
        <code>4000 0000 0000 0341</code> pays here; its next payment fails.
        <br />
        <code>4000 0027 6000 3184</code> pays here; your bank asks you to confirm the next payment.
      </p>
      <p>Any date ahead, any CVC. No money moves.</p>
    </section>
  )
}

/** The page of an open session. */
export function CheckoutPage(props: {
  session: CheckoutSession
  now: number
  /** The session's e-mail address; null if it has none. */
  email: string | null
  asksEmail: boolean
  asksCard: boolean
  fields: Record<string, string>
  error: string | null
}) {
  const { session } = props
  const { trial_period_days: days, trial_end } = session.subscription_data
  const trialEnd = days === null ? trial_end : daysAfter(props.now, days)
  const total = money(session.amount_total, session.currency)
  const rhythm = every(session.line_items.data[0]?.price.recurring ?? null)
  return (
    <Page title="Checkout" area={AREA}>
      <section class="card">
        <h1>{session.mode === 'subscription' ? 'Subscribe' : 'Pay'}</h1>
        <p class="amount">{trialEnd === null ? `${total}${rhythm}` : 'Free trial'}</p>
        {trialEnd !== null && (
          <p class="soft">
            Until {day(trialEnd)}, then {total}
            {rhythm}.
          </p>
        )}
        {session.line_items.data.map((item) => (
          <div class="row">
            <span>
              {item.description}
              {item.quantity > 1 ? ` × ${item.quantity}` : ''}
            </span>
            <span>{money(item.amount_total, item.currency)}</span>
          </div>
        ))}
      </section>
      <section class="card">
        <form method="post" action={`/stripe/checkout/${session.id}`}>
          {props.error !== null && (
            <p class="error" role="alert">
              {props.error}
            </p>
          )}
          {props.asksEmail ? (
            <label>
              E-mail
              <input
                name="email"
                type="email"
                autocomplete="email"
                value={props.fields.email}
                required
              />
            </label>
          ) : (
            <p class="soft">{props.email}</p>
          )}
          {props.asksCard && <CardFields />}
          <label>
            {props.asksCard ? 'Name on card' : 'Name'}
            <input name="name" autocomplete="cc-name" value={props.fields.name} />
          </label>
          <button class="main" type="submit">
            {trialEnd === null ? 'Pay' : 'Start trial'}
          </button>
        </form>
        {session.cancel_url !== null && (
          <div class="actions">
            <a href={session.cancel_url}>Cancel</a>
          </div>
        )}
      </section>
      <TestCards />
    </Page>
  )
}

/** The page of a complete or expired session. */
export function ClosedCheckoutPage(props: { session: CheckoutSession; successUrl: string }) {
  const { session } = props
  if (session.status === 'complete') {
    return (
      <Notice title="Already paid" area={AREA}>
        <p>This checkout is complete. Nothing more will be charged.</p>
        <a class="button" href={props.successUrl}>
          Return
        </a>
      </Notice>
    )
  }
  return (
    <Notice title="Checkout expired" area={AREA}>
      <p>This checkout has expired and cannot be paid any more.</p>
      {session.cancel_url !== null && (
        <a class="button" href={session.cancel_url}>
          Return
        </a>
      )}
    </Notice>
  )
}

function SubscriptionCard(props: {
  store: Store
  session: PortalSession
  subscription: Subscription
}) {
  const { store, session, subscription } = props
  const price = subscription.items.data[0]?.price
  const name = price && store.tables.products.get(price.product)?.name
  const amount = subscription.items.data.reduce(
    (sum, item) => sum + item.price.unit_amount * item.quantity,
    0,
  )
  const action = subscription.cancel_at === null ? 'cancel' : 'resume'
  const { subscription_cancel: cancel, subscription_update: update } = featuresAt(store, session)
  const ends = cancel.mode === 'immediately' ? 'Cancel now' : 'Cancel at period end'
  const offered = (update.products ?? []).flatMap((product) => product.prices)
  const prices = offered.flatMap((id) => store.tables.prices.get(id) ?? [])
  return (
    <section class="card">
      <h2>{name ?? subscription.id}</h2>
      <p>
        {money(amount, subscription.currency)}
        {every(price?.recurring ?? null)} · <strong>{subscription.status}</strong>
      </p>
      {subscription.cancel_at === null ? (
        <p class="soft">Renews on {day(subscription.current_period_end)}.</p>
      ) : (
        <p class="bad">Ends on {day(subscription.cancel_at)}.</p>
      )}
      {cancel.enabled && (
        <form method="post" action={`/stripe/portal/${session.id}/${action}`}>
          <input type="hidden" name="subscription" value={subscription.id} />
          <button type="submit">{action === 'cancel' ? ends : 'Keep subscription'}</button>
        </form>
      )}
      {update.enabled && (
        <form method="post" action={`/stripe/portal/${session.id}/update`}>
          <input type="hidden" name="subscription" value={subscription.id} />
          {update.default_allowed_updates.includes('price') && (
            <label>
              Plan
              <select name="price">
                {prices.map((each) => (
                  <option value={each.id} selected={each.id === price?.id}>
                    {money(each.unit_amount, each.currency)}
                    {every(each.recurring)}
                  </option>
                ))}
              </select>
            </label>
          )}
          {update.default_allowed_updates.includes('quantity') && (
            <label>
              Quantity
              <input name="quantity" value={String(subscription.items.data[0]?.quantity ?? 1)} />
            </label>
          )}
          <button type="submit">Update subscription</button>
        </form>
      )}
    </section>
  )
}

/** The portal page of a customer. */
export function PortalPage(props: { store: Store; session: PortalSession; error: string | null }) {
  const { store, session } = props
  const own = referring(store, 'subscriptions', 'customer', session.customer)
    .toReversed()
    .filter((subscription) => !isEnded(subscription))
  const invoices = referring(store, 'invoices', 'customer', session.customer).toReversed()
  const card = defaultCard(store, session.customer, own[0])
  const features = featuresAt(store, session)
  return (
    <Page title="Billing" area={AREA}>
      {session.return_url !== null && (
        <p>
          <a href={session.return_url}>Return to {new URL(session.return_url).host}</a>
        </p>
      )}
      {props.error !== null && (
        <p class="error" role="alert">
          {props.error}
        </p>
      )}
      {own.map((subscription) => (
        <SubscriptionCard store={store} session={session} subscription={subscription} />
      ))}
      {own.length === 0 && <section class="card">No current subscription.</section>}
      <section class="card">
        <h2>Payment method</h2>
        <p>
          {card === null
            ? 'None.'
            : `${card.card.brand} ending in ${card.card.last4}, ${card.card.exp_month} / ${card.card.exp_year}`}
        </p>
        {features.payment_method_update.enabled && (
          <details>
            <summary>Change card</summary>
            <form method="post" action={`/stripe/portal/${session.id}/card`}>
              <CardFields />
              <button class="main" type="submit">
                Save card
              </button>
            </form>
          </details>
        )}
      </section>
      {features.customer_update.enabled && (
        <section class="card">
          <h2>Billing information</h2>
          <form method="post" action={`/stripe/portal/${session.id}/customer`}>
            {features.customer_update.allowed_updates.map((name) => (
              <label>
                {name}
                <input name={name} value={customerField(store, session, name)} />
              </label>
            ))}
            <button type="submit">Save</button>
          </form>
        </section>
      )}
      {features.invoice_history.enabled && (
        <section class="card">
          <h2>Invoices</h2>
          {invoices.length === 0 && <p class="soft">None yet.</p>}
          {invoices.map((invoice) => (
            <div class="row">
              <a href={`/stripe/invoice/${invoice.id}`}>{day(invoice.created)}</a>
              <span>
                {money(invoice.total, invoice.currency)} · {invoice.status}
              </span>
            </div>
          ))}
        </section>
      )}
    </Page>
  )
}

/** A contact detail of the customer. */
function customerField(store: Store, session: PortalSession, name: string): string {
  const customer = store.tables.customers.get(session.customer)
  const value = customer && Reflect.get(customer, name)
  return typeof value === 'string' ? value : ''
}

/** An invoice. `asksHolder`: the bank waits for the card's holder, who can confirm the payment here. */
export function InvoicePage(props: { store: Store; invoice: Invoice; asksHolder: boolean }) {
  const { store, invoice, asksHolder } = props
  const { currency } = invoice
  return (
    <Page title={`Invoice ${invoice.number}`} area={AREA}>
      <section class="card">
        <h1>Invoice {invoice.number}</h1>
        <div class="row">
          <span class="soft">From</span>
          <span>{invoice.account_name}</span>
        </div>
        <div class="row">
          <span class="soft">To</span>
          <span>{[invoice.customer_name, invoice.customer_email].filter(Boolean).join(', ')}</span>
        </div>
        <div class="row">
          <span class="soft">{day(invoice.created)}</span>
          <strong>{invoice.status}</strong>
        </div>
        <table>
          <thead>
            <tr>
              <th>What</th>
              <th class="number">Amount</th>
            </tr>
          </thead>
          <tbody>
            {invoice.lines.data.map((line) => (
              <tr>
                <td>
                  {lineName(store, line)}
                  <br />
                  <span class="soft">
                    {day(line.period.start)} – {day(line.period.end)}
                  </span>
                </td>
                <td class="number">{money(line.amount, line.currency)}</td>
              </tr>
            ))}
            {reductions(invoice).map(([name, amount]) => (
              <tr>
                <td>{name}</td>
                <td class="number">{money(amount, currency)}</td>
              </tr>
            ))}
          </tbody>
          <tfoot>
            <tr>
              <th scope="row">Total</th>
              <td class="number">{money(invoice.total, currency)}</td>
            </tr>
          </tfoot>
        </table>
        {asksHolder && (
          <form method="post" action={`/stripe/invoice/${invoice.id}`}>
            <p>Your bank asks you to confirm this payment.</p>
            <div class="actions">
              <button type="submit" name="outcome" value="succeeded">
                Confirm {money(invoice.amount_due, currency)}
              </button>
              <button type="submit" name="outcome" value="failed">
                Do not confirm
              </button>
            </div>
          </form>
        )}
      </section>
    </Page>
  )
}

/** A line by the name of what was sold. The API's own text has the lookup key instead. */
function lineName(store: Store, { price, quantity, proration, description }: InvoiceLine): string {
  const name = store.tables.products.get(price.product)?.name
  return proration || name === undefined ? description : `${quantity} × ${name}`
}

/** What stands between the lines of an invoice and its total: discounts, and taxes that the prices lack. */
function reductions({ total_discount_amounts, total_taxes }: Invoice): [string, number][] {
  const off = total_discount_amounts.reduce((sum, { amount }) => sum + amount, 0)
  const tax = sumOf(total_taxes, false)
  const rows: [string, number][] = [
    ['Discount', -off],
    ['Tax', tax],
  ]
  return rows.filter(([, amount]) => amount !== 0)
}

/** The bank's page, where the card's holder confirms a payment and then returns to the host. */
export function BankPage({ intent }: { intent: PaymentIntent }) {
  return (
    <Page title="Confirm the payment" area={AREA}>
      <section class="card">
        <h1>Your bank asks you to confirm this payment</h1>
        <p class="amount">{money(intent.amount, intent.currency)}</p>
        <form method="post" action={`/stripe/authenticate/${intent.id}`}>
          <button type="submit" name="outcome" value="succeeded">
            Confirm
          </button>
          <button type="submit" name="outcome" value="failed">
            Do not confirm
          </button>
        </form>
      </section>
    </Page>
  )
}
