/**
 * `pnpm bench <name>` runs the benchmark of a package.
 *
 * @module
 */

const BENCHES: Record<string, string> = {
  auth: '../../auth/bench/main.ts',
  credits: '../../billing/bench/credits/main.ts',
  webhooks: '../../billing/bench/main.ts',
}

const name = process.argv.slice(2).find((argument) => !argument.startsWith('-'))
const path = name === undefined ? undefined : BENCHES[name]
if (path === undefined) {
  const names = Object.keys(BENCHES).join(' or ')
  process.stderr.write(`pnpm bench <name>: ${names}${name ? `, not ${name}` : ''}\n`)
  process.exit(2)
}
await import(new URL(path, import.meta.url).href)
