/**
 * Starts everything that the demo needs in order, and stops it in reverse: PostgreSQL, migrations, the
 * stand-ins, the worker, the host. The host runs on `localhost` and the stand-ins on `127.0.0.1`. A browser
 * treats them as two sites, so strict cookies and returns from providers behave as in production.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import { join } from 'node:path'
import { createAuth } from '@repo/auth'
import { createBilling, createStripe } from '@repo/billing'
import type { Logger } from '@repo/core'
import { createDb, type Database, migrate } from '@repo/db'
import { freePort, startPostgres } from '@repo/db/testing'
import { createSender, outboxTransport } from '@repo/email'
import { createWorker, migrateJobs } from '@repo/jobs'
import { createSandbox } from '@repo/sandbox'
import { createHost } from './host.tsx'
import { listen } from './listen.ts'
import { CALL_EVENT_TYPE, products } from './product.ts'

export interface DemoOptions {
  /** The folder for the database, the mails and the stand-ins' state. */
  folder: string
  /** Deletes the data before starting. */
  fresh?: boolean
  /** The database to use. Default: the embedded server. */
  databaseUrl?: string
  /** Preferred ports; if a port is in use, a free one is taken. Default 3000 and 4242. */
  hostPort?: number
  sandboxPort?: number
  logger: Logger
  /** Called for each service once it runs. */
  onReady?: (service: string, detail: string) => void
}

/** A running demo. */
export interface Demo {
  url: string
  mailboxUrl: string
  sandbox: ReturnType<typeof createSandbox>
  /** Resolves once all mails are sent and all webhooks are delivered and processed. */
  settled(): Promise<void>
  stop(): Promise<void>
}

// Keys for the stand-ins only, which accept these keys and refuse all others.
const KEYS = {
  stripe: 'sk_test_tollgatedemo',
  stripeWebhook: 'whsec_tollgatedemo',
  calcomWebhook: 'tollgate-demo-calcom-webhook',
  signIn: { clientId: 'tollgate-demo', clientSecret: 'tollgate-demo-sign-in' },
}

/** Starts the demo; `stop` of the result ends it. */
export async function startDemo(options: DemoOptions): Promise<Demo> {
  const { folder, logger, onReady = () => {} } = options
  const closing: (() => Promise<unknown>)[] = []
  const stop = async () => {
    for (const close of closing.splice(0).reverse()) await close()
  }
  try {
    if (options.fresh) await clear(folder)
    await mkdir(folder, { recursive: true })
    const hostPort = await usablePort(options.hostPort ?? 3000)
    const sandboxPort = await usablePort(options.sandboxPort ?? 4242)
    const url = `http://localhost:${hostPort}`
    const outbox = join(folder, 'outbox')

    const databaseUrl = options.databaseUrl ?? (await startDatabase(folder, closing))
    const applied = await migrate(databaseUrl)
    await migrateJobs(databaseUrl)
    const db = createDb(databaseUrl)
    closing.push(() => db.$disconnect())
    onReady('PostgreSQL', `${new URL(databaseUrl).host} · ${applied.length} migrations applied`)

    const sandbox = createSandbox({
      port: sandboxPort,
      stripe: {
        secretKey: KEYS.stripe,
        settings: { accountName: 'Acme' },
        webhooks: [{ url: `${url}/api/webhooks/stripe`, secret: KEYS.stripeWebhook }],
      },
      calcom: {
        webhooks: [{ url: `${url}/api/webhooks/calcom`, secret: KEYS.calcomWebhook }],
        eventTypes: [
          { id: CALL_EVENT_TYPE, slug: 'acme/strategy-call', title: 'Strategy call', minutes: 30 },
        ],
        redirectUrl: `${url}/calls/booked`,
      },
      oauth: { clients: signInClients(url) },
      appUrl: url,
      outboxDir: outbox,
      stateFile: join(folder, 'sandbox.json'),
      logger,
    })
    const { url: sandboxUrl, mailboxUrl, oauthUrls } = await sandbox.listen()
    closing.push(() => sandbox.stop())
    onReady('Stand-ins', `${sandboxUrl} · Stripe, Cal.com, sign-in, mailbox`)

    const sender = createSender({
      transport: outboxTransport({ folder: outbox, mailboxUrl, logger }),
    })
    const billing = createBilling({
      db,
      logger,
      sender,
      products,
      appUrl: url,
      stripe: createStripe(KEYS.stripe, { apiBase: sandboxUrl }),
      stripeWebhookSecrets: [KEYS.stripeWebhook],
      calcom: {
        origin: `${sandboxUrl}/cal`,
        eventTypes: { [CALL_EVENT_TYPE]: 'acme/strategy-call' },
        webhookSecret: KEYS.calcomWebhook,
      },
    })
    const auth = createAuth({
      db,
      logger,
      sender,
      baseURL: url,
      secret: await secretOf(folder),
      appName: 'Acme',
      twoFactor: true,
      ...signInStandIns(oauthUrls),
      events: {
        userCreated: ({ id }) => billing.ensureCustomer(id),
        userDeleted: ({ id }) => billing.forgetOwner(id),
        emailChanged: async ({ id }) => {
          const where = { userId: id, role: 'OWNER' }
          const owned = await db.member.findMany({ where, select: { organizationId: true } })
          const owners = [id, ...owned.map(({ organizationId }) => organizationId)]
          for (const ownerId of owners) await billing.updateCustomer(ownerId)
        },
        // An organization is billed at its owner's address. Billing forgets a deleted organization.
        membersChanged: ({ id, members }) =>
          members > 0 ? billing.updateCustomer(id) : billing.forgetOwner(id),
      },
    })
    closing.push(async () => auth.close())

    const worker = await createWorker({ databaseUrl, logger, config: { auth, billing } })
    closing.push(() => worker.stop())
    onReady('Worker', 'webhook events, mails, repair')

    const host = createHost({
      auth,
      billing,
      providers: [
        sandboxUrl,
        ...SIGN_IN_PROVIDERS.filter(({ id }) => isReal(id)).map(({ origin }) => origin),
      ],
      signInProviders: [...SIGN_IN_PROVIDERS],
      hasSecondFactor: true,
      tools: { mailboxUrl, sandboxUrl },
      logger,
    })
    const server = await listen(host, hostPort)
    // The services that send start last and stop first, so that no request is cut off half-way.
    closing.push(
      () => close(server),
      () => auth.settled(),
      () => sandbox.stop(),
    )
    await billing.pushPlans()
    onReady('Host', `${url} · sign up here`)
    onReady('Mailbox', mailboxUrl)
    return {
      url,
      mailboxUrl,
      sandbox,
      async settled() {
        await auth.settled()
        await Promise.all([sandbox.stripe.settled(), sandbox.calcom.settled()])
        await worked(db)
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

const SIGN_IN_PROVIDERS = [
  { id: 'github', name: 'GitHub', origin: 'https://github.com' },
  { id: 'google', name: 'Google', origin: 'https://accounts.google.com' },
  { id: 'microsoft', name: 'Microsoft', origin: 'https://login.microsoftonline.com' },
] as const

type ProviderId = (typeof SIGN_IN_PROVIDERS)[number]['id']

/** Whether the environment has keys of the real provider, which auth then reads itself. */
const isReal = (id: ProviderId): boolean => Boolean(process.env[`${id.toUpperCase()}_CLIENT_ID`])

/** The clients that the sign-in stand-ins know. */
const signInClients = (url: string) =>
  Object.fromEntries(
    SIGN_IN_PROVIDERS.map(({ id }) => [
      id,
      { ...KEYS.signIn, redirectUris: [`${url}/api/auth/callback/${id}`] },
    ]),
  )

/** The options of auth for the providers that have a stand-in. */
const signInStandIns = (endpoints: Record<ProviderId, string>) =>
  Object.fromEntries(
    SIGN_IN_PROVIDERS.filter(({ id }) => !isReal(id)).map(({ id }) => [
      id,
      { ...KEYS.signIn, endpoint: endpoints[id] },
    ]),
  )

/** Resolves once no event and no job is due or running. */
async function worked(db: Database): Promise<void> {
  for (;;) {
    const [{ left }] = await db.$queryRaw<[{ left: number }]>`
      SELECT (
        (SELECT count(*) FROM "WebhookEvent"
          WHERE "status" = 'pending' AND ("nextAttemptAt" <= now() OR "lease" IS NOT NULL)) +
        (SELECT count(*) FROM graphile_worker.jobs WHERE run_at <= now() AND attempts < max_attempts)
      )::int AS left`
    if (left === 0) return
    await new Promise((done) => setTimeout(done, 20))
  }
}

async function startDatabase(folder: string, closing: (() => Promise<unknown>)[]): Promise<string> {
  const server = await startPostgres({ folder: join(folder, 'postgres') })
  closing.push(() => server.stop())
  return server.createDatabase('tollgate')
}

async function clear(folder: string): Promise<void> {
  const { removePostgres } = await import('@repo/db/testing')
  removePostgres(join(folder, 'postgres'))
  await rm(folder, { recursive: true, force: true })
}

/** The secret is stored beside the data it protects, so that sessions survive a restart. */
async function secretOf(folder: string): Promise<string> {
  const file = join(folder, 'secret')
  try {
    return await readFile(file, 'utf8')
  } catch {
    const secret = randomBytes(32).toString('base64url')
    await writeFile(file, secret, { mode: 0o600 })
    return secret
  }
}

async function usablePort(preferred: number): Promise<number> {
  const { createServer } = await import('node:net')
  const free = await new Promise<boolean>((done) => {
    const probe = createServer().once('error', () => done(false))
    probe.listen(preferred, () => probe.close(() => done(true)))
  })
  return free && preferred !== 0 ? preferred : freePort()
}

function close(server: Server): Promise<void> {
  return new Promise((done) => {
    server.close(() => done())
    server.closeAllConnections()
  })
}
