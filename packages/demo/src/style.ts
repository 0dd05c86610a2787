/**
 * The style sheet of the demo's pages, light and dark. The colours are chosen for WCAG AA: 4.5 : 1 for text, and
 * 3 : 1 for the borders of fields and for focus rings.
 *
 * @module
 */

export const STYLE = `
:root { color-scheme: light dark; --gap: 1rem; --radius: .75rem;
  --ink: #1a1f2b; --soft: #566071; --line: #dfe3ea; --edge: #7d8696; --paper: #f6f7f9; --card: #fff;
  --accent: #2f5bea; --on-accent: #fff; --danger: #b3261e; --on-danger: #fff;
  --good: #e3f4e9; --bad: #fdecec; --warn: #fff1d6; }
@media (prefers-color-scheme: dark) { :root {
  --ink: #e8ebf1; --soft: #a3acbb; --line: #2c3340; --edge: #717b8d; --paper: #12151b; --card: #1a1f28;
  --accent: #8fa8ff; --on-accent: #10141f; --danger: #ff8a80; --on-danger: #2a0d0b;
  --good: #16301f; --bad: #3a1b1d; --warn: #3a2d12; } }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.05rem; margin: 0 0 .75rem; } h3 { font-size: 1rem; margin: 0; }
p { margin: 0 0 .75rem; } ul, ol { margin: 0 0 .75rem; padding-left: 1.25rem; }
a { color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }

.top { background: var(--card); border-bottom: 1px solid var(--line); }
.top > div { display: flex; align-items: center; gap: .25rem var(--gap); max-width: 62rem; margin: 0 auto;
  padding: .6rem 1.25rem; }
.top a { text-decoration: none; white-space: nowrap; }
.brand { display: flex; align-items: center; gap: .5rem; font-weight: 700; color: var(--ink); }
.top nav { display: flex; gap: 1.1rem; margin-left: .5rem; }
.top nav a { color: var(--soft); } .top nav a[aria-current] { color: var(--ink); font-weight: 600; }
.top .end { margin-left: auto; display: flex; gap: var(--gap); align-items: center; }
.top .button, .top button { padding: .35rem .8rem; font-size: .92rem; white-space: nowrap; }
@media (max-width: 40rem) { .top > div:has(nav) { flex-wrap: wrap; }
  .top nav { order: 1; width: 100%; margin: 0; justify-content: space-between; gap: .5rem; } }
.foot { max-width: 62rem; margin: 0 auto; padding: 0 1.25rem 2rem; color: var(--soft); font-size: .92rem; text-align: center; }

main { max-width: 34rem; margin: 2.5rem auto; padding: 0 1.25rem; } main.narrow { max-width: 27rem; }
main.wide { max-width: 62rem; } @media (max-width: 40rem) { main { margin: 1.5rem auto; } }
.grid { display: grid; gap: var(--gap); grid-template-columns: repeat(auto-fit, minmax(min(100%, 14rem), 1fr));
  margin: var(--gap) 0; } .grid.pair { grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); }
.grid > .card { margin: 0; } main > section:not(.card) { margin-top: 2rem; }
.card > h1 { font-size: 1.25rem; margin-bottom: .75rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: var(--radius);
  padding: 1.25rem; margin: var(--gap) 0; } .card > :last-child { margin-bottom: 0; }
.lead { font-size: 1.1rem; max-width: 40rem; } .price { font-size: 1.4rem; font-weight: 700; }
.hint { color: var(--soft); font-size: .92rem; }
.row, .actions { display: flex; flex-wrap: wrap; gap: .6rem; align-items: center; }
.row { justify-content: space-between; } .row form, .actions form { margin: 0; }
.line + .line { border-top: 1px solid var(--line); margin-top: .75rem; padding-top: .75rem; }
.line p { margin: 0 0 .4rem; }

form { margin: .5rem 0; } label { display: block; color: var(--soft); margin: .75rem 0 0; }
label.inline { display: flex; gap: .5rem; align-items: center; margin: 0 0 .25rem; }
.field-hint { margin: .25rem 0 0; } form:not(.actions) > * + button { margin-top: var(--gap); }
input, select { display: block; width: 100%; margin-top: .25rem; padding: .55rem .7rem; font: inherit;
  color: inherit; background: var(--card); border: 1px solid var(--edge); border-radius: .5rem; color: var(--ink); }
input[type=checkbox] { width: 1.1rem; height: 1.1rem; margin: 0; accent-color: var(--accent); flex: none; }
input[aria-invalid] { border-color: var(--danger); }
.actions select { width: auto; margin: 0; } .line .actions :is(select, button, summary) { padding: .4rem .75rem; }
button, .button, summary.button { display: inline-block; font: inherit; font-weight: 600; padding: .55rem 1.1rem;
  border: 1px solid var(--accent); border-radius: .5rem; background: var(--accent); color: var(--on-accent);
  cursor: pointer; text-decoration: none; text-align: center; }
.full { width: 100%; } .quiet, summary.button { background: transparent; color: var(--accent); border-color: var(--edge); }
.danger { background: var(--danger); border-color: var(--danger); color: var(--on-danger); }
summary { cursor: pointer; } summary.button { list-style: none; } summary.button::-webkit-details-marker { display: none; }
.ask[open] { flex-basis: 100%; } .ask > div { margin-top: .6rem; }
.or { display: flex; align-items: center; gap: .75rem; color: var(--soft); font-size: .92rem; margin: var(--gap) 0; }
.or::before, .or::after { content: ''; flex: 1; border-top: 1px solid var(--line); }

.scroll { overflow-x: auto; } table { width: 100%; border-collapse: collapse; font-size: .95rem; }
th { text-align: left; color: var(--soft); font-weight: 600; overflow-wrap: normal; }
th, td { padding: .45rem .75rem .45rem 0; border-top: 1px solid var(--line); vertical-align: top; }
tr > :last-child { padding-right: 0; } thead th { border: 0; padding-top: 0; } tfoot td, tfoot th { color: var(--ink); font-weight: 700; }
.day { white-space: nowrap; } .number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
code { font: .92em ui-monospace, monospace; }
.notice, .error, .warn { padding: .7rem 1rem; border-radius: .5rem; background: var(--good); margin: 0 0 var(--gap); }
.error { background: var(--bad); } .warn { background: var(--warn); }
.tag { display: inline-block; padding: .05rem .5rem; border-radius: 99px; border: 1px solid var(--edge);
  font-size: .85rem; color: var(--soft); white-space: nowrap; }
`
