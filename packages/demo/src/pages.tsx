/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */

/** The host's pages, rendered on the server and without script. */

import type { ConfirmationState } from '@repo/auth'
import type { Context } from 'hono'
import type { PropsWithChildren } from 'hono/jsx'
import type { Dashboard } from './dashboard-data.ts'
import { Card, Layout } from './layout.tsx'
import { InvoicesCard, money, PlanCard } from './plan-pages.tsx'
import { isCall, products } from './product.ts'

const NOTICES: Record<string, string> = {
  verified: 'Your address is confirmed. Sign in.',
  reset: 'Your password is changed, and every other session has ended. Sign in.',
  subscribed: 'Thank you – your plan is active.',
  bought: 'Thank you – now choose a time for your call.',
  changed: 'Your change of plan is saved.',
  kept: 'Nothing changes: your plan renews as it is.',
  invited: 'The invitation is on its way.',
  joined: 'Welcome to the team.',
  role: 'The role is changed.',
  transferred: 'The organization has a new owner; you are now an admin.',
  left: 'You have left the organization.',
  session: 'The session has ended.',
  sessions: 'All other sessions have ended.',
  address: 'We sent a link to the new address. Your address changes once you have used it.',
  moved: 'Your account has its new address.',
  undone: 'The change was undone. Choose a new password with the link in your mail.',
  password: 'Your password is changed, and every other session has ended.',
  deletion: 'Your account will be deleted in 30 days. Until then, sign in to keep it.',
  account_kept: 'Your account stays.',
  drawn: 'Your picture is drawn.',
  booked: 'Your call is booked. It appears below as soon as Cal.com has told us.',
}

/** Texts for the codes of failed forms. Any other code is shown as it is. */
const ERRORS: Record<string, string> = {
  email_not_verified: 'Confirm your address first: we sent you a link.',
  invalid_email_or_password:
    'The address or the password is wrong, or the address is not confirmed yet. If only the confirmation is missing, we have sent you another link.',
  too_many_attempts:
    'Too many wrong passwords. Leave the password empty and press Confirm: you can then choose a new one.',
  invalid_token: 'This link has been used or has expired. If you have used it, just sign in.',
  invitation_not_found: 'This invitation has been used, has expired or was withdrawn.',
  user_is_already_invited_to_this_organization: 'This address already has an invitation.',
  user_is_already_a_member_of_this_organization: 'This address already belongs to a member.',
  you_are_not_allowed_to_invite_user_with_this_role: 'That role is above yours.',
  you_are_not_allowed_to_update_this_member: 'That role is above yours.',
  you_cannot_leave_the_organization_as_the_only_owner:
    'An organization needs an owner: hand it over first.',
  drawing_failed: 'The drawing failed. You got your credits back.',
  insufficient_credits: 'Not enough credits: buy some first.',
  password_too_short: 'The password is too short.',
  password_too_long: 'The password is too long.',
  invalid_password: 'The password is wrong.',
  recent_sign_in_required: 'For this you need to sign in again or type your password.',
  invalid_email: 'The e-mail address is not valid.',
  email_unchanged: 'Your account already has this address.',
  email_taken: 'Another account has this address now.',
  other_account: 'This link belongs to another account. Sign in to that account first.',
  not_authenticated: 'Sign in first, then use the link again.',
  organizations_need_owner:
    'You are the only owner of an organization. Hand it over or delete it first.',
  too_many_requests: 'Too many attempts. Try again later.',
}

export function Notices({ c }: { c: Context }) {
  const notice = NOTICES[c.req.query('done') ?? '']
  const code = c.req.query('error')
  const known = code && /^[a-z0-9_]{1,60}$/.test(code) ? (ERRORS[code] ?? code) : undefined
  return (
    <>
      {notice && <p class="notice">{notice}</p>}
      {known && (
        <p class="error" role="alert">
          {known}
          {code === 'recent_sign_in_required' && (
            <>
              {' '}
              <a href={`/sign-in?next=${c.req.path}`}>Sign in again</a>
            </>
          )}
        </p>
      )}
    </>
  )
}

export function Field(props: {
  label: string
  name: string
  type?: string
  autocomplete?: string
  minlength?: number
  optional?: boolean
}) {
  return (
    <label>
      {props.label}
      <input
        name={props.name}
        type={props.type ?? 'text'}
        autocomplete={props.autocomplete}
        minlength={props.minlength}
        required={!props.optional}
      />
    </label>
  )
}

export function FormPage(
  props: PropsWithChildren<{ c: Context; title: string; action: string; submit: string }>,
) {
  return (
    <Layout title={props.title}>
      <Notices c={props.c} />
      <Card title={props.title}>
        <form method="post" action={props.action}>
          {props.children}
          <button type="submit">{props.submit}</button>
        </form>
      </Card>
    </Layout>
  )
}

export const home = (c: Context) =>
  c.html(
    <Layout title="Acme">
      <h1>Acme</h1>
      <p>A small product whose sign-in, billing and mail are Tollgate's.</p>
      <p class="row">
        <a class="button" href="/sign-up">
          Sign up
        </a>
        <a href="/sign-in">Sign in</a>
        <a href="/dashboard">Dashboard</a>
      </p>
    </Layout>,
  )

export const signUp = (c: Context) =>
  c.html(
    <FormPage c={c} title="Sign up" action="/sign-up" submit="Create account">
      <Field label="Name" name="name" autocomplete="name" />
      <Field label="E-mail" name="email" type="email" autocomplete="email" />
      <Field
        label="Password"
        name="password"
        type="password"
        autocomplete="new-password"
        minlength={10}
      />
      <p class="hint">
        Already here? <a href="/sign-in">Sign in</a>
      </p>
    </FormPage>,
  )

export const checkMail = (c: Context) =>
  c.html(
    <Layout title="Check your mail">
      <Card title="Check your mail">
        <p>If the address is right, a message with a link is on its way.</p>
      </Card>
    </Layout>,
  )

export const verifyEmail = (c: Context, state: ConfirmationState) =>
  c.html(
    <FormPage c={c} title="Confirm your address" action="/verify-email" submit="Confirm">
      <input type="hidden" name="token" value={c.req.query('token') ?? ''} />
      {state === 'begun_elsewhere' ? (
        <>
          <p>
            You signed up in another browser. Type the password that you chose there, or leave the
            field empty and choose a new one.
          </p>
          <Field label="Password" name="password" type="password" optional />
        </>
      ) : (
        <p>One click, and your account is ready.</p>
      )}
      <p class="hint">
        <a href="/send-again">Send another link</a>
      </p>
    </FormPage>,
  )

export const sendAgain = (c: Context) =>
  c.html(
    <FormPage c={c} title="Send another link" action="/send-again" submit="Send another link">
      <Field label="E-mail" name="email" type="email" autocomplete="email" />
    </FormPage>,
  )

export const signIn = (c: Context) =>
  c.html(
    <FormPage c={c} title="Sign in" action="/sign-in" submit="Sign in">
      <Field label="E-mail" name="email" type="email" autocomplete="email" />
      <Field label="Password" name="password" type="password" autocomplete="current-password" />
      {c.req.query('next') && <input type="hidden" name="next" value={c.req.query('next')} />}
      <p class="hint">
        <a href="/sign-in/link">Sign in without a password</a> ·{' '}
        <a href="/forgot-password">Forgot your password?</a> · <a href="/sign-up">Sign up</a>
      </p>
    </FormPage>,
  )

export const askForLink = (c: Context) =>
  c.html(
    <FormPage c={c} title="Sign in by mail" action="/sign-in/link" submit="Send a link">
      <Field label="E-mail" name="email" type="email" autocomplete="email" />
    </FormPage>,
  )

export const magicLink = (c: Context) =>
  c.html(
    <FormPage c={c} title="Sign in" action="/magic-link" submit="Sign in">
      <input type="hidden" name="token" value={c.req.query('token') ?? ''} />
      <input type="hidden" name="next" value={c.req.query('next') ?? ''} />
      <p>One click, and you are in.</p>
    </FormPage>,
  )

export const forgotPassword = (c: Context) =>
  c.html(
    <FormPage c={c} title="Forgot your password?" action="/forgot-password" submit="Send a link">
      <Field label="E-mail" name="email" type="email" autocomplete="email" />
    </FormPage>,
  )

export const resetPassword = (c: Context) =>
  c.html(
    <FormPage c={c} title="New password" action="/reset-password" submit="Change password">
      <input type="hidden" name="token" value={c.req.query('token') ?? ''} />
      <Field
        label="New password"
        name="newPassword"
        type="password"
        autocomplete="new-password"
        minlength={10}
      />
    </FormPage>,
  )

export const dashboard = (c: Context, data: Dashboard) =>
  c.html(
    <Layout title="Dashboard">
      <header class="row">
        <h1>Hello, {data.user.name}</h1>
        <a href="/credits">Credits</a>
        <a href="/team">Team</a>
        <a href="/account">Account</a>
        <form method="post" action="/sign-out">
          <button class="quiet" type="submit">
            Sign out
          </button>
        </form>
      </header>
      <Notices c={c} />
      {data.user.deletionDueAt && (
        <p class="error" role="alert">
          This account will be deleted on {time(data.user.deletionDueAt)}.{' '}
          <a href="/account">Keep it</a>
        </p>
      )}
      <PlanCard {...data} />
      <CallsCard {...data} />
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
      {bookings.map((booking) => (
        <p data-testid="booking">
          {booking.title} · {time(booking.startsAt)} · {booking.status}
        </p>
      ))}
      {open.map((payment) => (
        <form method="post" action="/calls/book">
          <button name="paymentId" value={payment.id} type="submit">
            Book your call
          </button>
        </form>
      ))}
      <form method="post" action="/calls/buy">
        <button class="quiet" type="submit">
          Buy a call · {money(products.STRATEGY_CALL.amount, products.STRATEGY_CALL.currency)}
        </button>
      </form>
    </Card>
  )
}

/** Shows a problem as a page for people, with the same status. */
export async function problem(c: Context, response: Response): Promise<Response> {
  const { status, title, detail } = (await response.json()) as Record<string, string>
  if (response.status === 401) return c.redirect('/sign-in', 303)
  if (!c.req.header('accept')?.includes('text/html')) {
    return c.body(JSON.stringify({ status, title, detail }), response.status as 400, {
      'content-type': 'application/problem+json',
    })
  }
  return c.html(
    <Layout title={title ?? 'Error'}>
      <Card title={title ?? 'Error'}>
        <p class="error">{detail}</p>
        <a href="/dashboard">Back</a>
      </Card>
    </Layout>,
    response.status as 400,
  )
}

export const time = (date: Date) =>
  `${new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' }).format(date)} UTC`
