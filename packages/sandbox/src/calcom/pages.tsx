/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */
/**
 * The booking pages: choose a time, see the booking, move it, cancel it.
 *
 * @module
 */

import { isTollgateError } from '@repo/core'
import { Hono, type Context as HonoContext } from 'hono'
import { day, minute, Notice, notFound, Page, readForm, render, sameOrigin } from '../layout.tsx'
import {
  type BookingStore,
  type CalcomAttendee,
  type CalcomBooking,
  type CalcomEventType,
  eventTypeOf,
  freeTimes,
} from './bookings.ts'

const AREA = 'Cal.com'

/** The actions of the pages; each also sends its webhook. */
export interface BookingActions {
  book(request: {
    slug: string
    start: Date
    attendee: CalcomAttendee
    metadata?: Record<string, string>
  }): CalcomBooking
  reschedule(uid: string, start: Date): CalcomBooking
  cancel(uid: string, reason?: string): CalcomBooking
}

interface PagesOptions {
  store: BookingStore
  actions: BookingActions
  /** The host's page that a booking's page links to. Null: none. */
  redirectUrl: string | null
}

/** The app that answers `/cal/*`. */
export function createCalcomPages(options: PagesOptions): Hono {
  const { store, actions } = options
  const app = new Hono()
  app.use('/cal/*', sameOrigin)
  app.get('/cal/video/:uid', (c) =>
    render(
      c,
      <Notice title="The meeting" area={AREA}>
        <p>The call would be here.</p>
      </Notice>,
    ),
  )
  app.get('/cal/booking/:uid', (c) => showBooking(options, c))
  app.post('/cal/booking/:uid/cancel', async (c) => {
    const fields = await readForm(c)
    return attempt(c, () => actions.cancel(c.req.param('uid'), fields.reason ?? ''))
  })
  app.get('/cal/reschedule/:uid', (c) => showReschedule(store, c))
  app.post('/cal/reschedule/:uid', async (c) => {
    const fields = await readForm(c)
    return attempt(c, () => actions.reschedule(c.req.param('uid'), new Date(fields.start ?? '')))
  })
  app.get('/cal/:user/:slug', (c) => showEventType(store, c))
  app.post('/cal/:user/:slug', async (c) => {
    const fields = await readForm(c)
    const attendee = { name: fields.name ?? '', email: fields.email ?? '' }
    const metadata = metadataOf(Object.entries(fields))
    const slug = slugOf(c)
    const start = new Date(fields.start ?? '')
    return attempt(c, () => actions.book({ slug, start, attendee, metadata }))
  })
  return app
}

const slugOf = (c: HonoContext): string => `${c.req.param('user')}/${c.req.param('slug')}`

/** Reads `metadata[key]=value` pairs from a link or a form. */
function metadataOf(pairs: Iterable<[string, string]>): Record<string, string> {
  const metadata: Record<string, string> = {}
  for (const [name, value] of pairs) {
    const key = /^metadata\[([^\]]+)\]$/.exec(name)?.[1]
    // Assigning this one key would change the object's prototype instead of adding a key.
    if (key !== undefined && key !== '__proto__') metadata[key] = value
  }
  return metadata
}

/** Runs the action of a form and redirects to the booking, or shows the error. */
function attempt(c: HonoContext, act: () => CalcomBooking): Response {
  try {
    return c.redirect(`/cal/booking/${act().uid}`, 303)
  } catch (error) {
    if (!isTollgateError(error)) throw error
    const page = (
      <Notice title="Not booked" area={AREA}>
        <p class="error" role="alert">
          {error.message}
        </p>
        <a href={c.req.path.replace(/\/cancel$/, '')}>Back</a>
      </Notice>
    )
    const status = error.status === 404 ? 404 : error.status === 409 ? 409 : 400
    return render(c, page, { status })
  }
}

const dateOf = (time: Date): string => time.toISOString().slice(0, 10)

function Times(props: { times: Date[] }) {
  const dates = new Set(props.times.map(dateOf))
  return (
    <>
      {[...dates].map((date) => (
        <fieldset>
          <legend>{day(Date.parse(date) / 1000)}</legend>
          <div class="slots">
            {props.times
              .filter((time) => dateOf(time) === date)
              .map((time) => (
                <label>
                  <input type="radio" name="start" value={time.toISOString()} required />
                  {time.toISOString().slice(11, 16)} UTC
                </label>
              ))}
          </div>
        </fieldset>
      ))}
    </>
  )
}

function EventType(props: { type: CalcomEventType; heading: string }) {
  return (
    <>
      <h1>{props.heading}</h1>
      <p class="soft">
        {props.type.title} · {props.type.minutes} minutes
      </p>
    </>
  )
}

function showEventType(store: BookingStore, c: HonoContext): Response {
  const type = store.eventTypes.find((candidate) => candidate.slug === slugOf(c))
  if (type === undefined) return notFound(c, AREA, 'This event type does not exist.')
  const query = new URL(c.req.url).searchParams
  const replaced = query.get('rescheduleUid')
  if (replaced !== null) return c.redirect(`/cal/reschedule/${encodeURIComponent(replaced)}`, 303)
  const page = (
    <Page title={type.title} area={AREA}>
      <section class="card">
        <EventType type={type} heading="Choose a time" />
        <form method="post" action={`/cal/${type.slug}`}>
          <Times times={freeTimes(store, type)} />
          <label>
            Name
            <input name="name" autocomplete="name" value={query.get('name') ?? ''} required />
          </label>
          <label>
            E-mail
            <input
              name="email"
              type="email"
              autocomplete="email"
              value={query.get('email') ?? ''}
              required
            />
          </label>
          {Object.entries(metadataOf(query)).map(([key, value]) => (
            <input type="hidden" name={`metadata[${key}]`} value={value} />
          ))}
          <button class="main" type="submit">
            Book
          </button>
        </form>
      </section>
    </Page>
  )
  return render(c, page)
}

function showReschedule(store: BookingStore, c: HonoContext): Response {
  const booking = store.bookings.get(c.req.param('uid') ?? '')
  if (booking === undefined) return notFound(c, AREA, 'This booking does not exist.')
  if (booking.status !== 'ACCEPTED') return c.redirect(`/cal/booking/${booking.uid}`, 303)
  const type = eventTypeOf(store, booking)
  const page = (
    <Page title="Reschedule" area={AREA}>
      <section class="card">
        <EventType type={type} heading="Choose another time" />
        <p>Now: {minute(new Date(booking.startTime))}</p>
        <form method="post" action={`/cal/reschedule/${booking.uid}`}>
          <Times times={freeTimes(store, type, booking.uid)} />
          <button class="main" type="submit">
            Reschedule
          </button>
        </form>
      </section>
    </Page>
  )
  return render(c, page)
}

/** The host's page with the parameters that Cal.com appends. They are for display only and prove nothing. */
function returnUrl(redirectUrl: string, booking: CalcomBooking, type: CalcomEventType): string {
  const url = new URL(redirectUrl)
  url.searchParams.set('uid', booking.uid)
  url.searchParams.set('title', type.title)
  url.searchParams.set('startTime', booking.startTime)
  url.searchParams.set('endTime', booking.endTime)
  url.searchParams.set('attendeeName', booking.attendee.name)
  url.searchParams.set('email', booking.attendee.email)
  return url.href
}

const headings: Record<CalcomBooking['status'], string> = {
  ACCEPTED: 'This meeting is scheduled',
  PENDING: 'This meeting waits for its host',
  CANCELLED: 'This meeting is cancelled',
  REJECTED: 'The host cannot take this meeting',
  RESCHEDULED: 'This meeting was moved',
}

function showBooking({ store, redirectUrl }: PagesOptions, c: HonoContext): Response {
  const booking = store.bookings.get(c.req.param('uid') ?? '')
  if (booking === undefined) return notFound(c, AREA, 'This booking does not exist.')
  const type = eventTypeOf(store, booking)
  const next = [...store.bookings.values()].find((other) => other.rescheduleUid === booking.uid)
  const page = (
    <Page title={headings[booking.status]} area={AREA}>
      <section class="card">
        <h1>{headings[booking.status]}</h1>
        <div class="row">
          <span>What</span>
          <span>{type.title}</span>
        </div>
        <div class="row">
          <span>When</span>
          <span>{minute(new Date(booking.startTime))}</span>
        </div>
        <div class="row">
          <span>Who</span>
          <span>{booking.attendee.name}</span>
        </div>
        {next !== undefined && (
          <p>
            <a href={`/cal/booking/${next.uid}`}>See the new time</a>
          </p>
        )}
        {redirectUrl !== null && (
          <div class="actions">
            <a class="button" href={returnUrl(redirectUrl, booking, type)}>
              Return to {new URL(redirectUrl).host}
            </a>
          </div>
        )}
      </section>
      {booking.status === 'ACCEPTED' && (
        <section class="card">
          <h2>Need to change it?</h2>
          <p>
            <a href={`/cal/reschedule/${booking.uid}`}>Reschedule</a>
          </p>
          <form method="post" action={`/cal/booking/${booking.uid}/cancel`}>
            <label>
              Reason (optional)
              <input name="reason" maxlength={500} />
            </label>
            <button type="submit">Cancel booking</button>
          </form>
        </section>
      )}
    </Page>
  )
  return render(c, page)
}
