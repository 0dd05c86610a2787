/**
 * The style sheet of all pages, light and dark.
 *
 * @module
 */

export const style = `
:root { color-scheme: light dark;
  --paper: #f6f7f9; --card: #fff; --ink: #1b1f27; --soft: #5c6575; --line: #dfe3ea; --edge: #7d8696;
  --accent: #4b3fd8; --on-accent: #fff; --good: #16794c; --bad: #b3261e; --bad-paper: #fdecea; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #111318; --card: #1a1d24; --ink: #e8eaf0; --soft: #9aa3b2; --line: #2d323d; --edge: #747d8f;
  --accent: #8d84ff; --on-accent: #14121f; --good: #5fd39b; --bad: #ff8a80; --bad-paper: #3a1c1a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); overflow-wrap: anywhere;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
header { display: flex; align-items: center; gap: .75rem; padding: .75rem 1rem;
  border-bottom: 1px solid var(--line); background: var(--card); }
.brand { font-weight: 700; color: inherit; text-decoration: none; }
.area { color: var(--soft); }
.end { margin-left: auto; display: flex; align-items: center; gap: .75rem; white-space: nowrap; }
.badge { padding: .1rem .6rem; border-radius: 99px; font-size: .8rem;
  border: 1px solid var(--line); color: var(--soft); white-space: nowrap; }
main { max-width: 30rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
main.wide { max-width: 68rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 1.25rem; margin: 0 0 1rem; }
h1 { font-size: 1.4rem; line-height: 1.25; margin: 0 0 .75rem; }
h2 { font-size: 1.05rem; margin: 0 0 .5rem; }
p { margin: 0 0 .75rem; }
a { color: var(--accent); }
.soft { color: var(--soft); }
.amount { font-size: 2rem; font-weight: 700; letter-spacing: -.02em; margin: 0 0 .75rem; }
.row { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem; padding: .4rem 0;
  border-top: 1px solid var(--line); }
.row:first-of-type { border-top: 0; }
form { margin: 0; }
label { display: block; font-size: .9rem; color: var(--soft); margin: 0 0 .75rem; }
input, select { display: block; width: 100%; margin-top: .25rem; padding: .6rem .75rem; font: inherit;
  color: var(--ink); background: var(--paper); border: 1px solid var(--edge); border-radius: 8px; }
input:focus-visible, select:focus-visible, button:focus-visible, a:focus-visible, summary:focus-visible { outline: 2px solid var(--accent);
  outline-offset: 2px; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .75rem; }
button, .button { display: inline-block; padding: .6rem 1rem; font: inherit; font-weight: 600;
  text-align: center; text-decoration: none; cursor: pointer; border-radius: 8px;
  border: 1px solid var(--edge); background: var(--card); color: var(--ink); }
button.main { width: 100%; background: var(--accent); border-color: var(--accent);
  color: var(--on-accent); }
button.choice { display: block; width: 100%; text-align: left; margin: 0 0 .5rem; }
.choice span { display: block; font-weight: 400; font-size: .9rem; }
.check input { display: inline; width: auto; margin: 0 .25rem 0 0; }
.buttons { display: flex; flex-wrap: wrap; gap: .4rem; }
button.small { padding: .2rem .6rem; font-size: .85rem; }
.actions { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; margin-top: .75rem; }
.error { background: var(--bad-paper); color: var(--bad); border-radius: 8px; padding: .6rem .75rem; }
.good { color: var(--good); } .bad { color: var(--bad); }
code { font: .85em ui-monospace, SFMono-Regular, Menlo, monospace; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; font-size: .9rem; }
th { text-align: left; color: var(--soft); font-weight: 500; }
th, td { padding: .4rem .75rem .4rem 0; border-top: 1px solid var(--line); vertical-align: top; }
thead th { border-top: 0; }
th, td { overflow-wrap: break-word; } .stacks td { overflow-wrap: anywhere; }
.number { text-align: right; white-space: nowrap; padding-right: 0; }
tfoot th, tfoot td { color: var(--ink); font-weight: 700; }
@media (max-width: 26rem) { .area { display: none; } }
@media (min-width: 40.01rem) { .stacks td > code, .stacks .soft { white-space: nowrap; } }
@media (max-width: 40rem) {
  .stacks, .stacks tbody, .stacks td { display: block; }
  .stacks thead { position: absolute; clip-path: inset(50%); }
  .stacks tr { display: flex; flex-wrap: wrap; gap: 0 .75rem; border-top: 1px solid var(--line); padding: .4rem 0; }
  .stacks td { border: 0; padding: 0; } .stacks td:first-child { flex-basis: 100%; font-weight: 600; }
  .stacks td:has(form) { margin-left: auto; } }
.slots { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .5rem; }
.slots label { margin: 0; color: inherit; border: 1px solid var(--line); border-radius: 8px;
  padding: .5rem .6rem; display: flex; gap: .5rem; align-items: center; }
.slots input { width: auto; margin: 0; }
fieldset { border: 0; padding: 0; margin: 0 0 1rem; }
legend { padding: 0; margin: 0 0 .5rem; font-weight: 600; }
iframe { width: 100%; height: 70vh; border: 1px solid var(--line); border-radius: 8px;
  background: #fff; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0;
  font: .9rem/1.5 ui-monospace, SFMono-Regular, Menlo, monospace; }
.tabs { display: flex; gap: 1rem; margin: 0 0 .75rem; }
.tabs a[aria-current] { color: inherit; font-weight: 600; text-decoration: none; }
`
