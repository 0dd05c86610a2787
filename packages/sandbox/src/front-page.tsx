/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */
/**
 * The front page: the stand-ins, their data, and the state of each webhook.
 *
 * @module
 */

import { Hono } from 'hono'
import type { CalcomBooking, CalcomEventType } from './calcom/bookings.ts'
import type { CalcomSandbox } from './calcom/sandbox.ts'
import type { CreemSandbox } from './creem/sandbox.ts'
import type { DeliveryRecord } from './deliveries.ts'
import { day, minute, money, notFound, Page, render, sameOrigin } from './layout.tsx'
import type { MailboxSandbox } from './mailbox/sandbox.ts'
import type { OAuthSandbox } from './oauth/sandbox.ts'
import type { StripeSandbox } from './stripe/sandbox.ts'
import type { StripeSnapshot } from './stripe/server/store.ts'

/** The most rows of a table that are shown at once, and that can be opened below them. */
const SHOWN = 10
const MORE = 90

const PROVIDER_NAMES = {
  github: 'GitHub',
  google: 'Google',
  microsoft: 'Microsoft',
  oidc: 'OpenID Connect',
}

interface FrontPageOptions {
  stripe: StripeSandbox
  creem: CreemSandbox
  calcom: CalcomSandbox
  oauth: OAuthSandbox
  mailbox: MailboxSandbox
  eventTypes: readonly CalcomEventType[]
}

/** The app that answers `/`. */
export function createFrontPage(options: FrontPageOptions): Hono {
  const { stripe, creem, calcom, oauth, mailbox, eventTypes } = options
  const app = new Hono()
  app.get('/', async (c) => {
    const { tables, deliveries } = stripe.snapshot()
    const mails = (await mailbox.messages()).length
    const all: Shown[] = [
      customersOf(tables),
      subscriptionsOf(tables),
      paymentsOf(tables),
      stripeEventsOf(tables, deliveries),
      bookingsOf(calcom.bookings, eventTypes),
      calcomEventsOf(calcom.deliveries),
      creemCheckoutsOf(creem),
      creemEventsOf(creem),
    ]
    const empty = all.filter(({ rows }) => rows.length === 0)
    const page = (
      <Page title="Sandbox" area="Stand-ins" isWide>
        <Services
          origin={new URL(c.req.url).origin}
          mails={mails}
          eventTypes={eventTypes}
          providers={oauth.providers}
        />
        {all.filter(({ rows }) => rows.length > 0).map(Table)}
        {empty.length > 0 && (
          <p class="soft">Nothing yet: {empty.map(({ title }) => title).join(', ')}.</p>
        )}
      </Page>
    )
    return render(c, page)
  })
  app.post('/events/calcom/:id/redeliver', sameOrigin, async (c) => {
    const again = await calcom.redeliver(c.req.param('id'))
    if (again.length === 0) return notFound(c, 'Cal.com', 'This event does not exist.')
    return c.redirect('/', 303)
  })
  return app
}

function Services(props: {
  origin: string
  mails: number
  eventTypes: readonly CalcomEventType[]
  providers: OAuthSandbox['providers']
}) {
  return (
    <section class="card">
      <h1>Stand-ins</h1>
      <div class="row">
        <span>Stripe API</span>
        <code>{props.origin}/v1</code>
      </div>
      <div class="row">
        <span>Stripe webhooks</span>
        <Buttons fields={{}} controls={{ hold: 'Hold them back', let_go: 'Send what is held' }} />
      </div>
      <div class="row">
        <span>Creem API</span>
        <code>{props.origin}/creem/v1</code>
      </div>
      {props.providers.map(({ name, isDown }) => (
        <div class="row">
          <span>{PROVIDER_NAMES[name]} sign-in</span>
          <code>
            {props.origin}/{name}
          </code>
          <form method="post" action={`/controls/oauth/${name}/${isDown ? 'up' : 'down'}`}>
            <button class="small" type="submit">
              {isDown ? 'Bring it up' : 'Take it down'}
            </button>
          </form>
        </div>
      ))}
      {props.eventTypes.map((type) => (
        <div class="row">
          <span>Cal.com</span>
          <a href={`/cal/${type.slug}`}>{type.title}</a>
        </div>
      ))}
      <div class="row">
        <span>Mailbox</span>
        <a href="/mailbox">{props.mails === 1 ? '1 mail' : `${props.mails} mails`}</a>
      </div>
    </section>
  )
}

/** What a table shows. */
interface Shown {
  title: string
  heads: string[]
  /** The rows, the newest first. */
  rows: unknown[]
}

/** A table whose rows become blocks of lines on a phone. Older rows are folded away. */
function Table({ title, heads, rows }: Shown) {
  const older = rows.slice(SHOWN, SHOWN + MORE)
  return (
    <section class="card">
      <h2>
        {title} <span class="soft">{rows.length}</span>
      </h2>
      <Rows heads={heads} rows={rows.slice(0, SHOWN)} />
      {older.length > 0 && (
        <details>
          <summary>{older.length} older ones</summary>
          <Rows heads={heads} rows={older} />
        </details>
      )}
    </section>
  )
}

function Rows({ heads, rows }: { heads: string[]; rows: unknown[] }) {
  return (
    <table class="stacks">
      <thead>
        <tr>
          {heads.map((head) => (
            <th>{head}</th>
          ))}
        </tr>
      </thead>
      <tbody>{rows}</tbody>
    </table>
  )
}

type StripeTables = StripeSnapshot['tables']

function customersOf(tables: StripeTables): Shown {
  const rows = tables.customers.toReversed().map((customer) => (
    <tr>
      <td>
        <code>{customer.id}</code>
      </td>
      <td>{customer.deleted ? 'deleted' : (customer.name ?? '')}</td>
      <td>{customer.deleted ? '' : (customer.email ?? '')}</td>
      <td class="soft">{day(customer.created)}</td>
    </tr>
  ))
  return { title: 'Customers', heads: ['Id', 'Name', 'E-mail', 'Since'], rows }
}

function subscriptionsOf(tables: StripeTables): Shown {
  const names = new Map(tables.products.map((product) => [product.id, product.name]))
  const rows = tables.subscriptions.toReversed().map((subscription) => {
    const price = subscription.items.data[0]?.price
    return (
      <tr>
        <td>
          <code>{subscription.id}</code>
        </td>
        <td>{names.get(price?.product ?? '') ?? ''}</td>
        <td>{price ? money(price.unit_amount, price.currency) : ''}</td>
        <td>{subscription.status}</td>
        <td class="soft">
          {subscription.cancel_at === null || subscription.ended_at !== null
            ? day(subscription.ended_at ?? subscription.current_period_end)
            : `ends ${day(subscription.cancel_at)}`}
        </td>
        <td>
          {subscription.ended_at === null && (
            <Buttons
              fields={{ subscription: subscription.id }}
              controls={{ renew: 'A period passes', fail_payment: 'The card fails' }}
            />
          )}
        </td>
      </tr>
    )
  })
  const heads = ['Id', 'Product', 'Amount', 'Status', 'Until', '']
  return { title: 'Subscriptions', heads, rows }
}

function paymentsOf({ paymentIntents, charges, disputes }: StripeTables): Shown {
  const byId = new Map(charges.map((charge) => [charge.id, charge]))
  const rows = paymentIntents.toReversed().map((payment) => {
    const charge = byId.get(payment.latest_charge ?? '')
    const dispute = disputes.find(({ charge: of }) => of === charge?.id)
    const isOpen = charge && !charge.refunded && !dispute
    return (
      <tr>
        <td>
          <code>{payment.id}</code>
        </td>
        <td>{money(payment.amount, payment.currency)}</td>
        <td>
          {dispute ? `disputed: ${dispute.status}` : charge?.refunded ? 'refunded' : payment.status}
        </td>
        <td class="soft">{minute(new Date(payment.created * 1000))}</td>
        <td>
          {payment.status === 'succeeded' && isOpen && (
            <Buttons
              fields={{ payment: payment.id }}
              controls={{ refund: 'Refund', dispute: 'Dispute' }}
            />
          )}
          {payment.status === 'processing' && (
            <Buttons
              fields={{ payment: payment.id }}
              controls={{ settle_payment: 'The debit settles' }}
            />
          )}
        </td>
      </tr>
    )
  })
  return { title: 'Payments', heads: ['Id', 'Amount', 'Status', 'At', ''], rows }
}

/** Buttons that use controls on the object that `fields` name. */
function Buttons(props: { fields: Record<string, string>; controls: Record<string, string> }) {
  return (
    <div class="buttons">
      {Object.entries(props.controls).map(([control, label]) => (
        <form method="post" action={`/controls/stripe/${control}`}>
          {Object.entries(props.fields).map(([name, value]) => (
            <input type="hidden" name={name} value={value} />
          ))}
          <button class="small" type="submit">
            {label}
          </button>
        </form>
      ))}
    </div>
  )
}

function byEvent(deliveries: readonly DeliveryRecord[]): Map<string, DeliveryRecord[]> {
  const own = new Map<string, DeliveryRecord[]>()
  for (const delivery of deliveries) {
    own.set(delivery.eventId, [...(own.get(delivery.eventId) ?? []), delivery])
  }
  return own
}

function stripeEventsOf(tables: StripeTables, deliveries: DeliveryRecord[]): Shown {
  const own = byEvent(deliveries)
  const rows = tables.events.toReversed().map((event) => (
    <tr>
      <td>
        <code>{event.type}</code>
      </td>
      <td class="soft">{minute(new Date(event.created * 1000))}</td>
      <DeliveryCells
        deliveries={own.get(event.id) ?? []}
        action={`/stripe/events/${event.id}/redeliver`}
        again={
          <Buttons fields={{ event: event.id, times: '2' }} controls={{ send_again: 'Twice' }} />
        }
      />
    </tr>
  ))
  return { title: 'Stripe events', heads: ['Type', 'At', 'Delivery', ''], rows }
}

function creemCheckoutsOf(creem: CreemSandbox): Shown {
  const { checkouts, products } = creem.snapshot().tables
  const names = new Map(products.map(({ id, name }) => [id, name]))
  const rows = checkouts.toReversed().map((checkout) => (
    <tr>
      <td>
        <a href={`/creem/checkout/${checkout.id}`}>
          <code>{checkout.id}</code>
        </a>
      </td>
      <td>{names.get(checkout.product) ?? ''}</td>
      <td>{checkout.status}</td>
      <td class="soft">{minute(new Date(checkout.created))}</td>
    </tr>
  ))
  return { title: 'Creem checkouts', heads: ['Id', 'Product', 'Status', 'At'], rows }
}

function creemEventsOf(creem: CreemSandbox): Shown {
  const own = byEvent(creem.deliveries)
  const rows = creem.events.toReversed().map((event) => (
    <tr>
      <td>
        <code>{event.eventType}</code>
      </td>
      <td class="soft">{minute(new Date(event.created_at))}</td>
      <DeliveryCells
        deliveries={own.get(event.id) ?? []}
        action={`/creem/events/${event.id}/redeliver`}
      />
    </tr>
  ))
  return { title: 'Creem webhooks', heads: ['Type', 'At', 'Delivery', ''], rows }
}

function DeliveryCells(props: {
  deliveries: readonly DeliveryRecord[]
  action: string
  again?: unknown
}) {
  return (
    <>
      <td>
        {props.deliveries.length === 0 && <span class="soft">nobody listens</span>}
        {props.deliveries.map((delivery) => (
          <DeliveryState delivery={delivery} />
        ))}
      </td>
      <td>
        {props.deliveries.length > 0 && (
          <div class="buttons">
            <form method="post" action={props.action}>
              <button class="small" type="submit">
                Redeliver
              </button>
            </form>
            {props.again}
          </div>
        )}
      </td>
    </>
  )
}

function DeliveryState({ delivery }: { delivery: DeliveryRecord }) {
  const last = delivery.attempts.at(-1)
  const tone = { delivered: 'good', failed: 'bad', pending: 'soft' }[delivery.state]
  return (
    <div class={tone}>
      {delivery.state}
      {last && ` (${last.status ?? last.error}, ${delivery.attempts.length}×)`}
    </div>
  )
}

function bookingsOf(bookings: CalcomBooking[], eventTypes: readonly CalcomEventType[]): Shown {
  const titles = new Map(eventTypes.map((type) => [type.id, type.title]))
  const rows = bookings.toReversed().map((booking) => (
    <tr>
      <td>
        <a href={`/cal/booking/${booking.uid}`}>
          {titles.get(booking.eventTypeId) ?? booking.eventTypeId}
        </a>
      </td>
      <td>{booking.attendee.name}</td>
      <td>{minute(new Date(booking.startTime))}</td>
      <td>{booking.status}</td>
    </tr>
  ))
  return { title: 'Bookings', heads: ['Event', 'Attendee', 'At', 'Status'], rows }
}

function calcomEventsOf(deliveries: readonly DeliveryRecord[]): Shown {
  const rows = deliveries.toReversed().map((delivery) => (
    <tr>
      <td>
        <code>{delivery.type}</code>
      </td>
      <DeliveryCells
        deliveries={[delivery]}
        action={`/events/calcom/${delivery.eventId}/redeliver`}
      />
    </tr>
  ))
  return { title: 'Cal.com webhooks', heads: ['Type', 'Delivery', ''], rows }
}
