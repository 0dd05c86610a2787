/**
 * The services that a host needs on a developer's machine: PostgreSQL with the migrations applied, and the stand-ins.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createConnection, createServer } from 'node:net'
import { join } from 'node:path'
import { type Environment, isLoopback, type Logger, parseUrl, TollgateError } from '@repo/core'
import { migrate, pendingMigrations } from '@repo/db'
import { OWNER, startPostgres } from '@repo/db/testing'
import { migrateJobs } from '@repo/jobs'
import { createSandbox, type Sandbox, type SandboxOptions } from '../sandbox.ts'
import { type LocalFacts, oauthClients } from './environment.ts'

/** A database that runs, and how to stop what was started for it. */
export interface LocalDatabase {
  url: string
  stop(): Promise<unknown>
}

const DATABASE_PORT = 5433

/**
 * Starts PostgreSQL in `folder`, or uses the server of `DATABASE_URL`. An address with the role of the embedded server
 * at which nothing listens is where that server is started. Another machine's server is used only where it is allowed,
 * because the worker would take the jobs of the application that it belongs to, and write its mails into a file.
 *
 * @throws `database_elsewhere`, `database_unreachable`, `migrations_pending`
 */
export async function openDatabase(
  host: Environment,
  folder: string,
  { isRemoteAllowed = false } = {},
): Promise<LocalDatabase> {
  const given = host.DATABASE_URL
  const target = given ? parseUrl(given) : null
  if (given && !target) {
    throw new TollgateError('invalid_environment', 400, 'DATABASE_URL is not a URL.')
  }
  const isHere = target === null || isLoopback(target.hostname)
  if (target && !isHere && !isRemoteAllowed) {
    throw new TollgateError(
      'database_elsewhere',
      400,
      `DATABASE_URL names ${target.host}, another machine. The local worker would take that database's jobs. Remove DATABASE_URL, and a server is started for you; or add --remote-database.`,
    )
  }
  const port = target ? Number(target.port || 5432) : await usablePort(DATABASE_PORT)
  if (target && (await isListening(target.hostname, port))) {
    if (!isHere) await requireMigrated(given ?? '', target.host)
    return { url: given ?? '', async stop() {} }
  }
  if (target && !(isHere && target.username === OWNER && target.password === '')) {
    throw new TollgateError(
      'database_unreachable',
      503,
      `DATABASE_URL names ${target.host}, where no server answers. Start it, or remove DATABASE_URL: then a server is started for you.`,
    )
  }
  const server = await startPostgres({ folder: join(folder, 'postgres'), port })
  try {
    if (target && server.port !== port) {
      throw new TollgateError(
        'database_unreachable',
        409,
        `The server on ${join(folder, 'postgres')} still runs on port ${server.port}, and DATABASE_URL names port ${port}. Stop that server, and start again.`,
      )
    }
    const name = target ? decodeURIComponent(target.pathname.slice(1)) : 'tollgate'
    return { url: await server.createDatabase(name || 'tollgate'), stop: () => server.stop() }
  } catch (error) {
    await server.stop()
    throw error
  }
}

/** Another machine's database is somebody's own: nothing is applied to it unasked. */
async function requireMigrated(url: string, host: string): Promise<void> {
  const pending = await pendingMigrations(url)
  if (pending.length === 0) return
  throw new TollgateError(
    'migrations_pending',
    409,
    `The database at ${host} is on another machine and lacks ${pending.length} migrations. Apply them yourself with db:migrate, or remove DATABASE_URL: then a server is started for you.`,
  )
}

/**
 * Applies the migrations to a database on this machine. Returns how many were applied.
 *
 * @throws `database_unreachable`
 */
export async function migrateLocal(url: string): Promise<number> {
  const target = parseUrl(url)
  if (!target || !isLoopback(target.hostname)) return 0
  try {
    const applied = await migrate(url)
    await migrateJobs(url)
    return applied.length
  } catch (error) {
    const refusal = REFUSALS[String((error as { code?: unknown }).code)]
    if (refusal === undefined) throw error
    throw new TollgateError(
      'database_unreachable',
      503,
      `DATABASE_URL names ${target.host}${target.pathname}, and the server there ${refusal}. It may be another project's server. Correct DATABASE_URL, or remove it: then a server is started for you.`,
    )
  }
}

/** What a server does with an address that is not its own, by the code of PostgreSQL. */
const REFUSALS: Readonly<Record<string, string>> = {
  '3D000': 'has no such database',
  '28000': 'does not let that role in',
  '28P01': 'refuses the password of that role',
}

/** Options of the stand-ins that a host adds to those that its variables give. */
export type OwnSandboxOptions = Partial<
  Pick<SandboxOptions, 'stripe' | 'creem' | 'calcom' | 'oauth' | 'appUrl' | 'clock'>
>

/** Creates the stand-ins for the variables that the host's processes get. */
export function localSandbox(
  all: Environment,
  options: { port: number; folder: string; own: OwnSandboxOptions; logger: Logger },
): Sandbox {
  const { port, folder, own, logger } = options
  const appUrl = new URL(all.APP_URL ?? '').origin
  const isOurs = (base: string | undefined) => parseUrl(base ?? '')?.port === String(port)
  const stripeSecrets = all.STRIPE_WEBHOOK_SECRET?.split(',')[0]?.trim()
  return createSandbox({
    port,
    appUrl,
    outboxDir: all.EMAIL_OUTBOX_DIR || join(folder, 'outbox'),
    stateFile: join(folder, 'sandbox.json'),
    logger,
    ...own,
    stripe: {
      secretKey: all.STRIPE_SECRET_KEY || all.STRIPE_TEST_API_KEY || 'sk_test_local',
      webhooks:
        isOurs(all.STRIPE_API_BASE) && stripeSecrets
          ? [{ url: `${appUrl}/api/webhooks/stripe`, secret: stripeSecrets }]
          : [],
      ...own.stripe,
    },
    creem: {
      ...(all.CREEM_TEST_API_KEY ? { apiKey: all.CREEM_TEST_API_KEY } : {}),
      webhooks:
        isOurs(all.CREEM_API_BASE) && all.CREEM_TEST_WEBHOOK_SECRET
          ? [{ url: `${appUrl}/api/payment/callback`, secret: all.CREEM_TEST_WEBHOOK_SECRET }]
          : [],
      ...own.creem,
    },
    calcom: {
      eventTypes: eventTypesOf(all.CALCOM_EVENT_TYPES ?? ''),
      webhooks:
        isOurs(all.CALCOM_ORIGIN) && all.CALCOM_WEBHOOK_SECRET
          ? [{ url: `${appUrl}/api/webhooks/calcom`, secret: all.CALCOM_WEBHOOK_SECRET }]
          : [],
      ...own.calcom,
    },
    oauth: { clients: oauthClients(all, appUrl), ...own.oauth },
  })
}

/** The event types of `CALCOM_EVENT_TYPES`, `id=user/event` separated by commas, with half an hour each. */
const eventTypesOf = (text: string) =>
  text.split(',').flatMap((entry) => {
    const [id = '', slug = ''] = entry.split('=').map((part) => part.trim())
    const title = slug.split('/').at(-1)?.replaceAll('-', ' ') ?? slug
    return /^\d+$/.test(id) && slug !== '' ? [{ id: Number(id), slug, title, minutes: 30 }] : []
  })

/** A secret that is kept beside the data that it protects, so that sessions survive a restart. */
export async function secretIn(folder: string): Promise<string> {
  const file = join(folder, 'secret')
  try {
    return await readFile(file, 'utf8')
  } catch {
    const secret = randomBytes(32).toString('base64url')
    await mkdir(folder, { recursive: true })
    await writeFile(file, secret, { mode: 0o600 })
    return secret
  }
}

const runningFile = (folder: string): string => join(folder, 'running.json')

/** Keeps what the services that run were given, for `--print-env` in another terminal. Returns how to end that. */
export async function writeRunning(
  folder: string,
  facts: LocalFacts,
): Promise<() => Promise<void>> {
  await mkdir(folder, { recursive: true })
  await writeFile(runningFile(folder), JSON.stringify(facts), { mode: 0o600 })
  return () => rm(runningFile(folder), { force: true })
}

/** What the services that run were given. Null: none run, by the answer of the stand-ins' port. */
export async function readRunning(folder: string): Promise<LocalFacts | null> {
  try {
    const facts: LocalFacts = JSON.parse(await readFile(runningFile(folder), 'utf8'))
    const { hostname, port } = new URL(facts.sandboxUrl)
    return (await isListening(hostname, Number(port))) ? facts : null
  } catch {
    return null
  }
}

/** `preferred`, or the next port above it that is free. */
export async function usablePort(preferred: number): Promise<number> {
  for (let port = preferred; port < preferred + 100; port += 1) {
    if (await isFree(port)) return port
  }
  throw portTaken(preferred, 'and the hundred ports above it are')
}

/** Refuses a port that is taken. @throws `port_taken` */
export async function requireFree(port: number, whose: string): Promise<void> {
  if (!(await isFree(port))) throw portTaken(port, `which ${whose} names, is`)
}

const portTaken = (port: number, what: string) =>
  new TollgateError(
    'port_taken',
    409,
    `Port ${port}, ${what} in use by another process. Stop that process, or name another port.`,
  )

/** Whether nobody listens on the port, on any address of this machine. */
async function isFree(port: number): Promise<boolean> {
  for (const hostname of ['127.0.0.1', undefined]) {
    const isOpen = await new Promise<boolean>((done) => {
      const probe = createServer().once('error', () => done(false))
      probe.listen({ port, ...(hostname ? { host: hostname } : {}) }, () =>
        probe.close(() => done(true)),
      )
    })
    if (!isOpen) return false
  }
  return true
}

function isListening(hostname: string, port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = createConnection({
      host: hostname.replace(/^\[|\]$/g, ''),
      port,
      timeout: 5_000,
    })
    const end = (answer: boolean) => {
      socket.destroy()
      done(answer)
    }
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
    socket.once('timeout', () => end(false))
  })
}
