/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */
/**
 * Shared by all pages: the frame, the style, and headers that forbid scripts, framing, and telling another
 * site where a visitor came from.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { formatMoney, isTollgateError, type Logger } from '@repo/core'
import type { ErrorHandler, Context as HonoContext, MiddlewareHandler } from 'hono'
import { type Child, createContext, useContext } from 'hono/jsx'
import { SandboxError } from './errors.ts'
import { style } from './style.ts'

/** The origin of the host app; null where the sandbox does not know it. */
const HostApp = createContext<string | null>(null)

/** Puts a link to the host app at `appUrl` into the header of every page. */
export const leadsBackTo =
  (appUrl: string): MiddlewareHandler =>
  async (c, next) => {
    c.set('appUrl', appUrl)
    await next()
  }

/** A page inside the frame. JSX escapes every value in it. */
export function Page(props: { title: string; area: string; children: Child; isWide?: boolean }) {
  const appUrl = useContext(HostApp)
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{props.title}</title>
        <style dangerouslySetInnerHTML={{ __html: style }} />
      </head>
      <body>
        <header>
          <a class="brand" href="/">
            Sandbox
          </a>
          <span class="area">{props.area}</span>
          <span class="end">
            {appUrl !== null && <a href={appUrl}>Back to the app</a>}
            <span class="badge">Test mode</span>
          </span>
        </header>
        <main class={props.isWide ? 'wide' : ''}>{props.children}</main>
      </body>
    </html>
  )
}

/** Exceptions of a page from the strictest headers. */
export interface PageOptions {
  status?: 200 | 400 | 402 | 403 | 404 | 409 | 413 | 500
  /**
   * The page's form is answered with a redirect to the host app. Browsers check each redirect of that chain
   * against `form-action`, and the host's own redirects are unknown here, so the directive is left out.
   */
  leaves?: boolean
  /**
   * The page shows a mail. The mail's frame inherits this policy, so the mail's own styles and images may
   * load.
   */
  showsMail?: boolean
}

let styleHash: string | undefined

/** Renders the page as a response. */
export function render(c: HonoContext, page: Child, options: PageOptions = {}): Response {
  styleHash ??= `'sha256-${createHash('sha256').update(style).digest('base64')}'`
  const policy = [
    "default-src 'none'",
    options.showsMail ? "style-src 'unsafe-inline'" : `style-src ${styleHash}`,
    options.showsMail ? 'img-src http: https: data:' : "img-src 'self'",
    ...(options.showsMail ? ["frame-src 'self'", 'font-src http: https: data:'] : []),
    ...(options.leaves ? [] : ["form-action 'self'"]),
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ]
  const framed = <HostApp.Provider value={c.get('appUrl') ?? null}>{page}</HostApp.Provider>
  return c.html(`<!doctype html>${framed}`, options.status ?? 200, {
    'content-security-policy': policy.join('; '),
    'cache-control': 'no-store',
    // With `no-referrer`, browsers send `Origin: null` even from our own forms, and the origin check would
    // not work. This value reveals no more to other sites.
    'referrer-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
  })
}

/** A page with a single message. */
export function Notice(props: { title: string; area: string; children: Child }) {
  return (
    <Page title={props.title} area={props.area}>
      <section class="card">
        <h1>{props.title}</h1>
        {props.children}
      </section>
    </Page>
  )
}

/** The response for a missing page. */
export function notFound(c: HonoContext, area: string, what = 'There is nothing here.'): Response {
  const page = (
    <Notice title="Not found" area={area}>
      <p>{what}</p>
    </Notice>
  )
  return render(c, page, { status: 404 })
}

/** Shows an error of a page. A refusal shows its message; any other error goes to the log only. */
export const showError =
  (area: string, logger: Logger): ErrorHandler =>
  (error, c) => {
    const isRefusal = isTollgateError(error) && error.status < 500
    if (!isRefusal) logger.error({ error, path: c.req.path }, 'A page of the sandbox failed')
    const page = (
      <Notice title={isRefusal ? 'Refused' : 'Something went wrong'} area={area}>
        <p>{isRefusal ? error.message : 'See the log of the sandbox.'}</p>
      </Notice>
    )
    return render(c, page, { status: isRefusal ? (error.status as 400) : 500 })
  }

/**
 * Refuses a form that another site sent. A request without an `Origin` does not come from a browser's form
 * and passes.
 */
export const sameOrigin: MiddlewareHandler = async (c, next) => {
  if (c.req.method === 'GET' || c.req.method === 'HEAD') return next()
  const origin = c.req.header('origin')
  const site = c.req.header('sec-fetch-site')
  const isForeign =
    (origin !== undefined && origin !== new URL(c.req.url).origin) ||
    (site !== undefined && site !== 'same-origin' && site !== 'none')
  if (!isForeign) return next()
  const page = (
    <Notice title="Refused" area="Sandbox">
      <p>This form was sent from another site.</p>
    </Notice>
  )
  return render(c, page, { status: 403 })
}

/**
 * The fields of a form; of repeated names the last counts. @throws `invalid_body` for a form larger than 64
 * KB
 */
export async function readForm(c: HonoContext): Promise<Record<string, string>> {
  const text = await c.req.text()
  if (text.length > 65_536) throw new SandboxError('invalid_body', 413, 'The form is too large.')
  return Object.fromEntries(new URLSearchParams(text))
}

/** Formats an amount in minor units for people. */
export const money = (amount: number, currency: string): string =>
  formatMoney(amount, currency, 'en-US')

/** Formats a time in Unix seconds as a date. */
export const day = (seconds: number): string =>
  new Date(seconds * 1000).toLocaleDateString('en-GB', { dateStyle: 'medium', timeZone: 'UTC' })

/** Formats a time as date and minute, in UTC. */
export const minute = (time: Date): string =>
  `${time.toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' })} UTC`
