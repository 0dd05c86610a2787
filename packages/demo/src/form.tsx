/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */

/**
 * Forms without script: fields whose error is tied to them, and a page that is one form.
 *
 * @module
 */

import type { Context } from 'hono'
import type { Child, PropsWithChildren } from 'hono/jsx'
import { Card, Layout, useRequest } from './layout.tsx'
import { ERRORS, FIELDS_OF, NOTICES, SIGN_IN_ERRORS } from './messages.ts'

/** The id of the page's error, which the fields that it is about refer to. */
const ERROR_ID = 'error'

/** The code of the error that the page shows; undefined without one. */
export function errorOf(c: Context): string | undefined {
  const code = c.req.query('error')
  return code && /^[a-z0-9_]{1,60}$/.test(code) ? code : undefined
}

/** What the last form did, and why it was refused. */
export function Notices() {
  const c = useRequest()
  const notice = NOTICES[c.req.query('done') ?? '']
  const code = errorOf(c)
  const here = c.req.path === '/sign-in' ? { ...ERRORS, ...SIGN_IN_ERRORS } : ERRORS
  return (
    <>
      {notice && (
        <p class="notice" role="status">
          {notice}
        </p>
      )}
      {code && (
        <p class="error" role="alert" id={ERROR_ID}>
          {here[code] ?? 'This did not work. Check what you typed, and try again.'}
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

interface FieldProps {
  label: string
  name: string
  type?: string
  autocomplete?: string
  minlength?: number
  inputmode?: 'numeric'
  value?: string | undefined
  hint?: string
  optional?: boolean
}

/** An input with its label. A hint, and the page's error if it is about this field, describe it. */
export function Field({ label, hint, optional, ...input }: FieldProps) {
  const code = errorOf(useRequest())
  const isWrong = code !== undefined && FIELDS_OF[code]?.includes(input.name)
  const hintId = hint && `${input.name}-hint`
  const described = [isWrong && ERROR_ID, hintId].filter(Boolean).join(' ')
  return (
    <>
      <label>
        {label}
        <input
          {...input}
          type={input.type ?? 'text'}
          required={!optional}
          aria-invalid={isWrong ? 'true' : undefined}
          aria-describedby={described || undefined}
        />
      </label>
      {hint && (
        <p class="hint field-hint" id={hintId}>
          {hint}
        </p>
      )}
    </>
  )
}

/** The e-mail field of a form. */
export const EmailField = ({ value }: { value?: string | undefined }) => (
  <Field label="E-mail" name="email" type="email" autocomplete="email" value={value} />
)

/** The field for a password that is chosen here. */
export const NewPassword = ({ name = 'password', label = 'Password' }) => (
  <Field
    label={label}
    name={name}
    type="password"
    autocomplete="new-password"
    minlength={10}
    hint="At least 10 characters."
  />
)

interface FormPageProps {
  c: Context
  title: string
  action: string
  submit: string
  /** What stands between the title and the form, and below the form. */
  before?: Child
  after?: Child
  /** Hides the notices where the page itself says the same. */
  isQuiet?: boolean
}

/** A page that is one form. The button follows the last field, and other ways stand below it. */
export function FormPage(props: PropsWithChildren<FormPageProps>) {
  return (
    <Layout c={props.c} title={props.title} width="narrow">
      {!props.isQuiet && <Notices />}
      <Card title={props.title} isPage>
        {props.before}
        <form method="post" action={props.action}>
          {props.children}
          <button class="full" type="submit">
            {props.submit}
          </button>
        </form>
        {props.after}
      </Card>
    </Layout>
  )
}

/** A page with a title and some words. */
export function TextPage(props: PropsWithChildren<{ c: Context; title: string }>) {
  return (
    <Layout c={props.c} title={props.title} width="narrow">
      <Card title={props.title} isPage>
        {props.children}
      </Card>
    </Layout>
  )
}
