/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */

/**
 * The frame of every page: the header with its ways onward, and the footer that names the demo's own tools.
 *
 * @module
 */

import type { Context } from 'hono'
import { raw } from 'hono/html'
import { createContext, type PropsWithChildren, useContext } from 'hono/jsx'
import type { DemoTools } from './product.ts'
import { STYLE } from './style.ts'

const CurrentRequest = createContext<Context | null>(null)

/** The request that the page answers. Only for components inside `Layout`. */
export const useRequest = (): Context => useContext(CurrentRequest) as Context

/** The mailbox and the sandbox of a demo; undefined where a host runs without them. */
export const toolsOf = (c: Context): DemoTools | undefined => c.get('tools')

/** The pages of a signed-in customer, in the order of the header. */
const PAGES = [
  ['/dashboard', 'Dashboard'],
  ['/credits', 'Credits'],
  ['/team', 'Team'],
  ['/account', 'Account'],
] as const

interface LayoutProps {
  c: Context
  title: string
  /** The header: the pages of a signed-in customer, the ways in, or the brand alone. Default: the brand. */
  top?: 'customer' | 'visitor'
  /** The width of the page. Default: that of a text. */
  width?: 'narrow' | 'wide'
}

/** A whole page. */
export function Layout({ c, title, top, width, children }: PropsWithChildren<LayoutProps>) {
  return (
    <CurrentRequest.Provider value={c}>
      {raw('<!doctype html>')}
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <title>{title === 'Acme' ? title : `${title} · Acme`}</title>
          <style>{raw(STYLE)}</style>
        </head>
        <body>
          <header class="top">
            <div>
              <Brand />
              {top === 'customer' && <CustomerLinks path={c.req.path} />}
              {top === 'visitor' && (
                <span class="end">
                  <a href="/sign-in">Sign in</a>
                  <a class="button" href="/sign-up">
                    Sign up
                  </a>
                </span>
              )}
            </div>
          </header>
          <main class={width ?? ''}>{children}</main>
          <Foot tools={toolsOf(c)} />
        </body>
      </html>
    </CurrentRequest.Provider>
  )
}

const Brand = () => (
  <a class="brand" href="/">
    <svg width="22" height="22" viewBox="0 0 22 22" fill="none" aria-hidden="true">
      <rect width="22" height="22" rx="6" fill="var(--accent)" />
      <path
        d="M6 16V9a5 5 0 0 1 10 0v7M6 12h10"
        stroke="var(--on-accent)"
        stroke-width="2"
        stroke-linecap="round"
      />
    </svg>
    Acme
  </a>
)

function CustomerLinks({ path }: { path: string }) {
  return (
    <>
      <nav aria-label="Pages">
        {PAGES.map(([href, name]) => (
          <a href={href} aria-current={path === href ? 'page' : undefined}>
            {name}
          </a>
        ))}
      </nav>
      <form class="end" method="post" action="/sign-out">
        <button class="quiet" type="submit">
          Sign out
        </button>
      </form>
    </>
  )
}

function Foot({ tools }: { tools: DemoTools | undefined }) {
  if (!tools) return null
  return (
    <footer class="foot">
      A demo: no money moves and no mail leaves this machine. <a href={tools.mailboxUrl}>Mailbox</a>{' '}
      · <a href={tools.sandboxUrl}>Sandbox</a>
    </footer>
  )
}

/** A titled box. `isPage`: the title is the page's, too. */
export function Card(props: PropsWithChildren<{ title: string; isPage?: boolean }>) {
  const { title, isPage, children } = props
  return (
    <section class="card">
      {isPage ? <h1>{title}</h1> : <h2>{title}</h2>}
      {children}
    </section>
  )
}

/** A form with a single button. */
export function Act(
  props: PropsWithChildren<{
    to: string
    name: string
    value: string
    kind?: 'quiet' | 'danger'
  }>,
) {
  return (
    <form method="post" action={props.to}>
      <button class={props.kind ?? ''} name={props.name} value={props.value} type="submit">
        {props.children}
      </button>
    </form>
  )
}

/** A button that first asks, without script: it opens the question and the form that answers it. */
export function Ask({
  label,
  question,
  children,
}: PropsWithChildren<{ label: string; question: string }>) {
  return (
    <details class="ask">
      <summary class="button">{label}</summary>
      <div>
        <p>{question}</p>
        {children}
      </div>
    </details>
  )
}
