/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */

/**
 * The second factor and passkeys: their cards on the account page, and the page that asks for a code. The second
 * factor works without script. Passkeys need one, so their buttons appear where the browser runs it.
 *
 * @module
 */

import type { Auth } from '@repo/auth'
import { type Context, Hono } from 'hono'
import { Field, FormPage } from './form.tsx'
import { Act, Ask, Card } from './layout.tsx'
import { PASSKEY_SCRIPT } from './passkey-script.ts'
import { day } from './product.ts'

/** The pages that load the script for passkeys. */
export const PASSKEY_PAGES: ReadonlySet<string> = new Set(['/sign-in', '/account'])

/** A passkey as its owner reads it. */
export interface Passkey {
  id: string
  name?: string | undefined
  createdAt: Date
}

/** The forms, each with the endpoint that it calls. */
const FORMS: Record<string, { path: string; success: string; failure: string }> = {
  '/two-factor': {
    path: '/two-factor/verify-totp',
    success: '/dashboard',
    failure: '/two-factor',
  },
  '/two-factor/backup': {
    path: '/two-factor/verify-backup-code',
    success: '/dashboard',
    failure: '/two-factor/backup',
  },
  '/account/second-factor/confirm': {
    path: '/two-factor/verify-totp',
    success: '/account?done=second_factor',
    failure: '/account/second-factor',
  },
  '/account/second-factor/off': {
    path: '/two-factor/disable',
    success: '/account?done=second_factor_off',
    failure: '/account',
  },
  '/account/passkeys/remove': {
    path: '/passkey/delete-passkey',
    success: '/account?done=passkey_removed',
    failure: '/account',
  },
}

export function moreWaysRoutes(auth: Auth): Hono {
  const app = new Hono()
  for (const [route, action] of Object.entries(FORMS)) {
    app.post(route, (c) => auth.formAction(c.req.raw, { ...action, keep: ['next'] }))
  }
  app.get('/two-factor', (c) => askForCode(c))
  app.get('/two-factor/backup', (c) => askForBackupCode(c))
  app.get('/account/second-factor', (c) => c.html(<ConfirmPage c={c} />))
  app.post('/account/second-factor', (c) => enable(auth, c))
  app.get('/passkey.js', (c) => c.body(PASSKEY_SCRIPT, 200, { 'content-type': 'text/javascript' }))
  return app
}

/** Begins the second factor. The answer holds the secret, so it is shown at once and never in a URL. */
async function enable(auth: Auth, c: Context): Promise<Response> {
  const password = (await c.req.formData()).get('password')
  const headers = new Headers(c.req.raw.headers)
  headers.delete('content-length')
  headers.set('content-type', 'application/json')
  const answer = await auth.handler(
    new Request(`${auth.baseURL}/api/auth/two-factor/enable`, {
      method: 'POST',
      headers,
      body: JSON.stringify(password ? { password } : {}),
    }),
  )
  const body = (await answer.json()) as { code?: string; totpURI?: string; backupCodes?: string[] }
  if (!answer.ok || !body.totpURI) {
    return c.redirect(`/account?error=${body.code ?? 'request_failed'}`, 303)
  }
  c.header('cache-control', 'no-store')
  return c.html(<ConfirmPage c={c} uri={body.totpURI} backupCodes={body.backupCodes ?? []} />)
}

/** Shows the secret, if `uri` is given, and asks for the first code. */
const ConfirmPage = (props: { c: Context; uri?: string; backupCodes?: string[] }) => (
  <FormPage
    c={props.c}
    title="Turn on the second factor"
    action="/account/second-factor/confirm"
    submit="Turn it on"
    before={
      props.uri ? (
        <Secret uri={props.uri} backupCodes={props.backupCodes ?? []} />
      ) : (
        <p>Type the code that your authenticator app shows for Acme.</p>
      )
    }
    after={
      <p class="hint">
        <a href="/account">Back to your account</a>
      </p>
    }
  >
    <CodeField />
  </FormPage>
)

function Secret({ uri, backupCodes }: { uri: string; backupCodes: string[] }) {
  const secret = new URL(uri).searchParams.get('secret') ?? ''
  return (
    <>
      <p>
        1. Type this key into your authenticator app, or{' '}
        <a href={uri}>open the app on this device</a>.
      </p>
      <p>
        <code data-testid="secret">{secret.match(/.{1,4}/g)?.join(' ')}</code>
      </p>
      <p>2. Keep these backup codes. Each works once, if you lose the app.</p>
      <p>
        <code>{backupCodes.join(' ')}</code>
      </p>
      <p>3. Type the code that the app shows.</p>
    </>
  )
}

const CodeField = ({ label = 'Code' }) => (
  <Field label={label} name="code" inputmode="numeric" autocomplete="one-time-code" />
)

const askForCode = (c: Context) =>
  c.html(
    <FormPage
      c={c}
      title="Your second factor"
      action="/two-factor"
      submit="Sign in"
      before={<p>Type the code that your authenticator app shows for Acme.</p>}
      after={
        <p class="hint">
          <a href={`/two-factor/backup${nextQuery(c)}`}>Use a backup code</a>
          <br />
          <a href="/sign-in">Back to sign in</a>
        </p>
      }
    >
      <CodeField />
      <Next c={c} />
    </FormPage>,
  )

const askForBackupCode = (c: Context) =>
  c.html(
    <FormPage
      c={c}
      title="A backup code"
      action="/two-factor/backup"
      submit="Sign in"
      before={<p>Each of your backup codes works once.</p>}
      after={
        <p class="hint">
          <a href={`/two-factor${nextQuery(c)}`}>Use the authenticator app</a>
        </p>
      }
    >
      <Field label="Backup code" name="code" autocomplete="off" />
      <Next c={c} />
    </FormPage>,
  )

const Next = ({ c }: { c: Context }) => (
  <input type="hidden" name="next" value={c.req.query('next') ?? '/dashboard'} />
)

const nextQuery = (c: Context) => {
  const next = c.req.query('next')
  return next ? `?next=${encodeURIComponent(next)}` : ''
}

/** The card of the second factor. */
export const SecondFactorCard = ({ isOn }: { isOn: boolean }) => (
  <Card title="Second factor">
    <p>
      {isOn
        ? 'It is on: after your password we ask for a code of your authenticator app.'
        : 'It is off. With it, a stolen password alone opens nothing: we also ask for a code of an authenticator app.'}
    </p>
    {isOn ? (
      <Ask label="Turn it off" question="Your password alone will then open the account.">
        <form method="post" action="/account/second-factor/off">
          <PasswordAgain />
          <button class="danger" type="submit">
            Turn the second factor off
          </button>
        </form>
      </Ask>
    ) : (
      <form method="post" action="/account/second-factor">
        <PasswordAgain />
        <button type="submit">Turn on a second factor</button>
      </form>
    )}
  </Card>
)

const PasswordAgain = () => (
  <Field
    label="Your password, if you have one"
    name="password"
    type="password"
    autocomplete="current-password"
    optional
  />
)

/** The card of the passkeys. */
export const PasskeysCard = ({ passkeys }: { passkeys: Passkey[] }) => (
  <Card title="Passkeys">
    <p>A passkey signs you in with your fingerprint, your face or the PIN of your device.</p>
    {passkeys.map(({ id, name, createdAt }) => (
      <div class="line row" data-testid="passkey">
        <p>
          <strong>{name || 'Passkey'}</strong>
          <br />
          <span class="hint">added on {day(new Date(createdAt))}</span>
        </p>
        <Act to="/account/passkeys/remove" name="id" value={id} kind="quiet">
          Remove
        </Act>
      </div>
    ))}
    <noscript>
      <p class="hint">Adding one needs JavaScript.</p>
    </noscript>
    <div data-passkey="add" hidden>
      <button class="quiet" type="button">
        Add a passkey
      </button>
      <p role="alert" class="hint" />
      <script src="/passkey.js" defer />
    </div>
  </Card>
)
