/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */

/**
 * The account pages: sessions, address, password, a copy of the data, deletion. The forms work without
 * script; each form calls an endpoint or function of auth.
 */

import type { AuthUser, SessionInfo } from '@repo/auth'
import { isTollgateError } from '@repo/core'
import { type Context, Hono } from 'hono'
import { Field, FormPage, NewPassword, Notices } from './form.tsx'
import { Act, Card, Layout } from './layout.tsx'
import { type Passkey, PasskeysCard, SecondFactorCard } from './more-ways.tsx'
import { type HostOptions, time } from './product.ts'
import { askToSignIn } from './refusal.tsx'
import { UsedLink } from './sign-in-pages.tsx'

/** The page's forms, each with the endpoint that it calls. */
const FORMS: Record<string, { path: string; success: string; failure?: string }> = {
  '/account/email': { path: '/change-email', success: '/account?done=address' },
  '/account/password': { path: '/change-password', success: '/account?done=password' },
  '/account/delete': { path: '/delete-user', success: '/sign-in?done=deletion' },
  '/account/keep': { path: '/delete-user/cancel', success: '/account?done=account_kept' },
  '/change-email': {
    path: '/change-email/confirm',
    success: '/account?done=moved',
    failure: '/change-email',
  },
  '/undo-email-change': {
    path: '/change-email/undo',
    success: '/sign-in?done=undone',
    failure: '/undo-email-change',
  },
}

export function accountRoutes({ auth, billing, hasSecondFactor }: HostOptions): Hono {
  const app = new Hono()
  for (const [route, { path, success, failure = '/account' }] of Object.entries(FORMS)) {
    app.post(route, (c) => auth.formAction(c.req.raw, { path, success, failure, keep: ['token'] }))
  }

  app.get('/account', async (c) => {
    const user = await auth.getUser(c.req.raw)
    if (!user) return askToSignIn(auth, c)
    const { headers } = c.req.raw
    const seen = await auth.api.getSession({ headers })
    return account(c, {
      user,
      sessions: await auth.listSessions(c.req.raw),
      passkeys: await auth.api.listPasskeys({ headers }),
      ...(hasSecondFactor ? { isSecondFactorOn: isSecondFactorOn(seen?.user) } : {}),
    })
  })
  app.post('/account/sessions/end', async (c) => {
    const sessionId = String((await c.req.raw.clone().formData()).get('sessionId') ?? '')
    await auth.revokeSession(c.req.raw, sessionId)
    return c.redirect('/account?done=session', 303)
  })
  app.post('/account/sessions/end-others', async (c) => {
    await auth.revokeOtherSessions(c.req.raw)
    return c.redirect('/account?done=sessions', 303)
  })
  app.get('/account/export', async (c) => {
    try {
      const document = await auth.exportUser(c.req.raw)
      const bought = await billing.exportOwner(document.user.id)
      return c.body(JSON.stringify({ ...document, billing: bought }, exact, 2), 200, {
        'cache-control': 'no-store',
        'content-disposition': 'attachment; filename="account.json"',
        'content-type': 'application/json',
      })
    } catch (error) {
      if (!isTollgateError(error, 'recent_sign_in_required')) throw error
      return c.redirect('/account?error=recent_sign_in_required', 303)
    }
  })

  // Opening a link must change nothing, because mail scanners open links.
  app.get('/change-email', async (c) => {
    const isOpen = await auth.isLinkOpen('change_email', c.req.query('token') ?? '')
    return confirmAddress(c, isOpen)
  })
  app.get('/undo-email-change', async (c) => {
    const isOpen = await auth.isLinkOpen('undo_email_change', c.req.query('token') ?? '')
    return undoChange(c, isOpen)
  })
  return app
}

/** Better Auth's types leave the field out, because a host may run without the second factor. */
const isSecondFactorOn = (user: object | undefined) =>
  (user as { twoFactorEnabled?: boolean } | undefined)?.twoFactorEnabled === true

/** Writes a bigint as text, because JSON has no bigint: amounts of money are bigints in the export. */
const exact = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value)

interface Account {
  user: AuthUser
  sessions: SessionInfo[]
  passkeys: Passkey[]
  /** Absent where the host offers no second factor. */
  isSecondFactorOn?: boolean
}

const account = (c: Context, { user, sessions, passkeys, isSecondFactorOn }: Account) =>
  c.html(
    <Layout c={c} title="Account" top="customer">
      <h1>Account</h1>
      <Notices />
      {user.deletionDueAt && (
        <Card title="This account will be deleted">
          <p>It will be deleted on {time(user.deletionDueAt)}, with everything in it.</p>
          <form method="post" action="/account/keep">
            <button type="submit">Keep my account</button>
          </form>
        </Card>
      )}
      <SessionsCard sessions={sessions} />
      <Card title="E-mail address">
        <p>
          Your address is <strong data-testid="email">{user.email}</strong>.
        </p>
        <form method="post" action="/account/email">
          <Field label="New address" name="newEmail" type="email" autocomplete="email" />
          <Password />
          <button type="submit">Change address</button>
        </form>
        <p class="hint">
          We send a link to the new address. A link in the mail to your old address takes the change
          back.
        </p>
      </Card>
      <Card title="Password">
        <form method="post" action="/account/password">
          <Field
            label="Current password"
            name="currentPassword"
            type="password"
            autocomplete="current-password"
          />
          <NewPassword name="newPassword" label="New password" />
          <button type="submit">Change password</button>
        </form>
        <p class="hint">
          Every other session ends. No password yet? <a href="/forgot-password">Choose one</a>
        </p>
      </Card>
      {isSecondFactorOn !== undefined && <SecondFactorCard isOn={isSecondFactorOn} />}
      <PasskeysCard passkeys={passkeys} />
      <Card title="A copy of your data">
        <p>The data that we keep about you, as one JSON document.</p>
        <p>
          <a class="button quiet" href="/account/export">
            Download
          </a>
        </p>
      </Card>
      {!user.deletionDueAt && (
        <Card title="Delete the account">
          <p>
            Your account will be deleted in 30 days. Until then you can sign in and keep it. Hand
            over your organizations first.
          </p>
          <form method="post" action="/account/delete">
            <Password />
            <button class="danger" type="submit">
              Delete my account
            </button>
          </form>
        </Card>
      )}
    </Layout>,
  )

function SessionsCard({ sessions }: { sessions: SessionInfo[] }) {
  return (
    <Card title="Where you are signed in">
      {sessions.map(({ sessionId, isCurrent, device, network, lastUsedAt }) => (
        <div class="line row" data-testid="session">
          <p>
            <strong>{device ?? 'Unknown device'}</strong>
            {isCurrent && ' · this session'}
            <br />
            <span class="hint">
              {network ? `${placeOf(network)} · ` : ''}last used {time(lastUsedAt)}
            </span>
          </p>
          {!isCurrent && (
            <Act to="/account/sessions/end" name="sessionId" value={sessionId} kind="quiet">
              End
            </Act>
          )}
        </div>
      ))}
      {sessions.length > 1 && (
        <form method="post" action="/account/sessions/end-others">
          <button class="quiet" type="submit">
            End all other sessions
          </button>
        </form>
      )}
    </Card>
  )
}

/** The user leaves this field empty without a password, or after a sign-in a moment ago. */
const Password = () => (
  <Field
    label="Your password"
    name="password"
    type="password"
    autocomplete="current-password"
    optional
  />
)

function confirmAddress(c: Context, isOpen: boolean) {
  if (!isOpen) {
    const label = 'Ask for another link'
    return c.html(<UsedLink c={c} title="Your new address" again="/account" label={label} />)
  }
  return c.html(
    <FormPage
      c={c}
      title="Your new address"
      action="/change-email"
      submit="Use this address"
      before={<p>One click, and your account has this address. You need to be signed in.</p>}
      after={
        <p class="hint">
          <a href="/sign-in">Sign in</a> first if you are not, then open the link again.
        </p>
      }
    >
      <input type="hidden" name="token" value={c.req.query('token') ?? ''} />
    </FormPage>,
  )
}

function undoChange(c: Context, isOpen: boolean) {
  if (!isOpen) {
    const label = 'Choose a new password'
    return c.html(<UsedLink c={c} title="It was not me" again="/forgot-password" label={label} />)
  }
  return c.html(
    <FormPage
      c={c}
      title="It was not me"
      action="/undo-email-change"
      submit="Take the change back"
      before={
        <p>
          Your account gets this address back, and every session ends. New ways to sign in are
          removed. A mail then lets you choose a new password.
        </p>
      }
    >
      <input type="hidden" name="token" value={c.req.query('token') ?? ''} />
    </FormPage>,
  )
}

/** The network of a session's last use, as shown to the user. */
const placeOf = (network: string): string =>
  /^(127\.|0:0:0::)/.test(network) ? 'This computer' : `Network ${network}`
