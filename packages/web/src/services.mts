/**
 * For development: PostgreSQL, and stand-ins for Stripe and the mailbox, where `.env.local` says. Names of scripts, as in
 * `services.mts worker dev`, are run once the services are up, with one log for all.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { migrate } from '@repo/db'
import { startPostgres } from '@repo/db/testing'
import { migrateJobs } from '@repo/jobs'
import { createSandbox } from '@repo/sandbox'
import { billing } from './lib/tollgate.ts'

const { DATABASE_URL = '', STRIPE_API_BASE = '', APP_URL = '' } = process.env
const { STRIPE_SECRET_KEY = '', STRIPE_WEBHOOK_SECRET = '' } = process.env
const { GITHUB_CLIENT_ID = '', GITHUB_CLIENT_SECRET = '' } = process.env
const client = (provider: string) => ({
  clientId: GITHUB_CLIENT_ID,
  clientSecret: GITHUB_CLIENT_SECRET,
  redirectUris: [`${APP_URL}/api/auth/callback/${provider}`],
})
const portOf = (address: string) => Number(new URL(address).port)

const postgres = await startPostgres({ folder: '.tollgate/postgres', port: portOf(DATABASE_URL) })
await postgres.createDatabase(new URL(DATABASE_URL).pathname.slice(1))
await migrate(DATABASE_URL)
await migrateJobs(DATABASE_URL)

const sandbox = createSandbox({
  port: portOf(STRIPE_API_BASE),
  stripe: {
    secretKey: STRIPE_SECRET_KEY,
    webhooks: [{ url: `${APP_URL}/api/webhooks/stripe`, secret: STRIPE_WEBHOOK_SECRET }],
  },
  oauth: {
    clients: { github: client('github'), google: client('google'), microsoft: client('microsoft') },
  },
  appUrl: APP_URL,
  outboxDir: '.tollgate/outbox',
  stateFile: '.tollgate/sandbox.json',
})
const { url, mailboxUrl } = await sandbox.listen()
await billing.pushPlans()
console.log(`Stripe: ${url}\nMailbox: ${mailboxUrl}`)

const scripts = process.argv.slice(2).map(run)

// A terminal and a package manager both send the signal: the second must not cut off the first.
let isStopping = false
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => stop(0))
}

/** Runs a script of `package.json`, and shows its lines with its name. Everything stops with it. */
function run(script: string): ChildProcess {
  // A group of its own, so that a signal reaches all of its processes.
  const child = spawn('npm', ['run', '--silent', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', (line) => console.log(`${script.padEnd(8)} ${line}`))
  }
  child.on('exit', (code) => stop(code ?? 1))
  return child
}

async function stop(code: number): Promise<void> {
  if (isStopping) return
  isStopping = true
  const running = scripts.filter(({ exitCode, signalCode }) => exitCode === null && !signalCode)
  for (const { pid = 0 } of running) if (pid > 0) process.kill(-pid, 'SIGTERM')
  await Promise.all(running.map((child) => once(child, 'exit')))
  await sandbox.stop()
  await postgres.stop()
  process.exit(code)
}
