/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */

/**
 * Sign-up, sign-in and recovery. Other ways stand below a form's button, and a link that is used up leads to a new one.
 *
 * @module
 */

import type { ConfirmationState } from '@repo/auth'
import type { Context } from 'hono'
import { EmailField, Field, FormPage, NewPassword, TextPage } from './form.tsx'
import { toolsOf } from './layout.tsx'
import type { SignInProvider } from './product.ts'
import { typedEmail } from './typed-email.ts'

/** What a mail was sent for, and the form that sends it again. */
const MAILS: Record<string, { again: string; what: string }> = {
  confirm: { again: '/send-again', what: 'confirms your address' },
  link: { again: '/sign-in/link', what: 'signs you in' },
  reset: { again: '/forgot-password', what: 'lets you choose a new password' },
}

/** The buttons of the providers, which lead away and come back signed in. */
function Providers({ providers, next }: { providers: SignInProvider[]; next?: string }) {
  if (providers.length === 0) return null
  return (
    <>
      {providers.map(({ id, name }) => (
        <form method="post" action="/sign-in/provider">
          {next && <input type="hidden" name="next" value={next} />}
          <button class="quiet full" name="provider" value={id} type="submit">
            Continue with {name}
          </button>
        </form>
      ))}
      <p class="or">or</p>
    </>
  )
}

export const signUp = (c: Context, providers: SignInProvider[]) =>
  c.html(
    <FormPage
      c={c}
      title="Sign up"
      action="/sign-up"
      submit="Create account"
      before={<Providers providers={providers} />}
      after={
        <p class="hint">
          Already here? <a href="/sign-in">Sign in</a>
        </p>
      }
    >
      <Field label="Name" name="name" autocomplete="name" />
      <EmailField value={typedEmail(c)} />
      <NewPassword />
    </FormPage>,
  )

export function checkMail(c: Context) {
  const { again, what } = MAILS[c.req.query('for') ?? ''] ?? { again: '/send-again', what: 'helps' }
  const email = typedEmail(c)
  const tools = toolsOf(c)
  return c.html(
    <TextPage c={c} title="Check your mail">
      <p>
        A message with a link that {what} is on its way
        {email ? (
          <>
            {' '}
            to <strong>{email}</strong>
          </>
        ) : null}
        , if the address is right.
      </p>
      {tools && (
        <p>
          <a class="button full" href={tools.mailboxUrl}>
            Open the mailbox
          </a>
        </p>
      )}
      {email ? (
        <form method="post" action={again}>
          <button class="quiet full" name="email" value={email} type="submit">
            Send it again
          </button>
        </form>
      ) : (
        <p>
          <a href={again}>Send it again</a>
        </p>
      )}
      <p class="hint">
        <a href="/sign-in">Back to sign in</a>
      </p>
    </TextPage>,
  )
}

/** A link that opens nothing any more: no button that could only fail, and the way to a new link. */
export const UsedLink = (props: {
  c: Context
  title: string
  again: string
  /** Default: a link by mail. */
  label?: string
}) => (
  <TextPage c={props.c} title={props.title}>
    <p class="error" role="alert">
      This link is wrong, has been used or has expired.
    </p>
    <p>
      <a class="button full" href={props.again}>
        {props.label ?? 'Send another link'}
      </a>
    </p>
    <p class="hint">
      If you have used it already, just <a href="/sign-in">sign in</a>.
    </p>
  </TextPage>
)

export function verifyEmail(c: Context, state: ConfirmationState) {
  if (state === 'unknown') {
    return c.html(<UsedLink c={c} title="Confirm your address" again="/send-again" />)
  }
  return c.html(
    <FormPage
      c={c}
      title="Confirm your address"
      action="/verify-email"
      submit="Confirm"
      before={
        state === 'begun_elsewhere' ? (
          <p>
            You signed up in another browser. Type the password that you chose there, or leave the
            field empty and choose a new one.
          </p>
        ) : (
          <p>One click, and your account is ready.</p>
        )
      }
      after={
        <p class="hint">
          <a href="/send-again">Send another link</a>
        </p>
      }
    >
      <input type="hidden" name="token" value={c.req.query('token') ?? ''} />
      {state === 'begun_elsewhere' && (
        <Field label="Password" name="password" type="password" optional />
      )}
    </FormPage>,
  )
}

export const sendAgain = (c: Context) => askForMail(c, 'Send another link', '/send-again')

export const signIn = (c: Context, providers: SignInProvider[]) => {
  const next = c.req.query('next')
  return c.html(
    <FormPage
      c={c}
      title="Sign in"
      action="/sign-in"
      submit="Sign in"
      before={<Providers providers={providers} {...(next ? { next } : {})} />}
      after={
        <>
          <PasskeyButton next={next} />
          <p class="hint">
            <a href="/sign-in/link">Sign in without a password</a>
            <br />
            <a href="/forgot-password">Forgot your password?</a>
            <br />
            No account yet? <a href="/sign-up">Sign up</a>
          </p>
        </>
      }
    >
      <EmailField value={typedEmail(c)} />
      <Field label="Password" name="password" type="password" autocomplete="current-password" />
      {next && <input type="hidden" name="next" value={next} />}
    </FormPage>,
  )
}

/** Shown by the script, where the browser knows passkeys. */
const PasskeyButton = ({ next }: { next: string | undefined }) => (
  <div data-passkey="sign-in" data-next={next ?? '/dashboard'} hidden>
    <p class="or">or</p>
    <button class="quiet full" type="button">
      Sign in with a passkey
    </button>
    <p role="alert" class="hint" />
    <script src="/passkey.js" defer />
  </div>
)

export const askForLink = (c: Context) =>
  askForMail(c, 'Sign in by mail', '/sign-in/link', 'Send a link')

export const forgotPassword = (c: Context) =>
  askForMail(c, 'Forgot your password?', '/forgot-password', 'Send a link')

const askForMail = (c: Context, title: string, action: string, submit = title) =>
  c.html(
    <FormPage
      c={c}
      title={title}
      action={action}
      submit={submit}
      after={
        <p class="hint">
          <a href="/sign-in">Back to sign in</a>
        </p>
      }
    >
      <EmailField value={typedEmail(c)} />
    </FormPage>,
  )

export function magicLink(c: Context, isOpen: boolean) {
  if (!isOpen) return c.html(<UsedLink c={c} title="Sign in" again="/sign-in/link" />)
  return c.html(
    <FormPage
      c={c}
      title="Sign in"
      action="/magic-link"
      submit="Sign in"
      before={<p>One click, and you are in.</p>}
    >
      <input type="hidden" name="token" value={c.req.query('token') ?? ''} />
      <input type="hidden" name="next" value={c.req.query('next') ?? ''} />
    </FormPage>,
  )
}

export function resetPassword(c: Context, isOpen: boolean) {
  if (!isOpen) {
    return c.html(<UsedLink c={c} title="New password" again="/forgot-password" />)
  }
  return c.html(
    <FormPage c={c} title="New password" action="/reset-password" submit="Change password">
      <input type="hidden" name="token" value={c.req.query('token') ?? ''} />
      <NewPassword name="newPassword" label="New password" />
    </FormPage>,
  )
}
