/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */

import { raw } from 'hono/html'
import type { PropsWithChildren } from 'hono/jsx'

const STYLE = `
  :root { color-scheme: light dark; --ink: #1a1f2b; --soft: #5d6675; --line: #dfe3ea; --paper: #f6f7f9; --card: #fff; --accent: #2f5bea; --good: #e7f5ec; --bad: #fdecec; }
  @media (prefers-color-scheme: dark) { :root { --ink: #e8ebf1; --soft: #9aa3b2; --line: #2c3340; --paper: #12151b; --card: #1a1f28; --accent: #7d9bff; --good: #16301f; --bad: #3a1b1d; } }
  * { box-sizing: border-box; }
  body { margin: 0; font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
  main { max-width: 34rem; margin: 3rem auto; padding: 0 1.25rem; }
  h1 { font-size: 1.6rem; margin: 0 0 .5rem; } h2 { font-size: 1.05rem; margin: 0 0 .75rem; }
  a { color: var(--accent); }
  .card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1.25rem 1.5rem; margin: 1rem 0; }
  .row { display: flex; gap: 1rem; align-items: center; justify-content: space-between; } p.row { justify-content: flex-start; }
  label { display: block; margin: .75rem 0; color: var(--soft); }
  input, select { display: block; width: 100%; margin-top: .25rem; padding: .55rem .7rem; font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--line); border-radius: 8px; }
  form.row, .row > form { margin: 0; } .member + .member { border-top: 1px solid var(--line); padding-top: .5rem; margin-top: .75rem; } .member .row { justify-content: flex-start; flex-wrap: wrap; gap: .5rem; } .member select { width: auto; margin: 0; } .member select, .member button { padding: .35rem .65rem; font-size: .92rem; }
  button, .button { font: inherit; font-weight: 600; padding: .55rem 1.1rem; border: 1px solid var(--accent); border-radius: 8px; background: var(--accent); color: #fff; cursor: pointer; text-decoration: none; }
  .quiet { background: transparent; color: var(--accent); border-color: var(--line); }
  .danger { background: #b3261e; border-color: #b3261e; }
  .hint { color: var(--soft); font-size: .92rem; } form { margin: .5rem 0; } label + p { margin: -.5rem 0 .75rem; }
  table { width: 100%; border-collapse: collapse; font-size: .92rem; } th { text-align: left; color: var(--soft); font-weight: 600; } th, td { padding: .35rem .5rem .35rem 0; border-top: 1px solid var(--line); } thead th { border: 0; } .number { text-align: right; font-variant-numeric: tabular-nums; } input[type=checkbox] { display: inline; width: auto; margin: 0 .35rem 0 0; }
  .notice, .error { padding: .7rem 1rem; border-radius: 8px; background: var(--good); } .error { background: var(--bad); }
`

export function Layout({ title, children }: PropsWithChildren<{ title: string }>) {
  return (
    <>
      {raw('<!doctype html>')}
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <title>{title}</title>
          <style>{raw(STYLE)}</style>
        </head>
        <body>
          <main>{children}</main>
        </body>
      </html>
    </>
  )
}

export function Card({ title, children }: PropsWithChildren<{ title: string }>) {
  return (
    <section class="card">
      <h2>{title}</h2>
      {children}
    </section>
  )
}
