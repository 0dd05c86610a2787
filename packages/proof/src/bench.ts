/**
 * The command `pnpm bench <name>`: `auth`, `credits`, `start` or `webhooks`.
 *
 * @module
 */

const BENCHES: Record<string, string> = {
  auth: './bench-auth/main.ts',
  credits: './bench-credits/main.ts',
  start: './bench-start/main.ts',
  webhooks: './bench-webhooks/main.ts',
}

const name = process.argv.slice(2).find((argument) => !argument.startsWith('-'))
const path = name === undefined ? undefined : BENCHES[name]
if (path === undefined) {
  const names = Object.keys(BENCHES).join(' or ')
  const options = 'With a name, --help shows its options; --quick is a short run.'
  process.stderr.write(`pnpm bench <name>: ${names}${name ? `, not ${name}` : ''}\n${options}\n`)
  process.exit(2)
}
await import(new URL(path, import.meta.url).href)
