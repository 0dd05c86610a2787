/**
 * The peer: the webhook of `@better-auth/stripe`, set up as its documentation says, on a database of its own
 * in the same PostgreSQL. It applies an event while Stripe waits, and does not store the event.
 *
 * @see https://www.better-auth.com/docs/plugins/stripe
 * @module
 */

import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { stripe as stripePlugin } from '@better-auth/stripe'
import { PrismaPg } from '@prisma/adapter-pg'
import { betterAuth } from 'better-auth'
import { prismaAdapter } from 'better-auth/adapters/prisma'
import pg from 'pg'
import Stripe from 'stripe'
import { say } from '../../harness/command.ts'
import { copyOf } from '../copies.ts'
import { APP_URL, type Life, SECRET_KEY, WEBHOOK_SECRET } from '../life.ts'
import type { Handle } from '../load.ts'
import type { Setting } from '../setting.ts'

/** The URL of the peer's webhook. */
export const PEER_URL = `${APP_URL}/api/auth/stripe/webhook`

/** Creates the peer's webhook, with the subscriptions of the first `customers` copies of `life`. */
export async function createPeer(
  { postgres, folder, scope }: Setting,
  life: Life,
  customers: number,
  maxConnections: number,
): Promise<Handle> {
  sayPeerRange()
  const url = await postgres.createDatabase('better_auth')
  await fill(url, life, customers)
  const database = await createClient(url, folder, maxConnections)
  scope.add(() => database.$disconnect())
  const auth = betterAuth({
    // With transactions, parallel requests would wait for each other's connections and fail.
    database: prismaAdapter(database, { provider: 'postgresql', transaction: false }),
    baseURL: APP_URL,
    secret: 'a secret that only this benchmark has',
    logger: { disabled: true },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    plugins: [
      stripePlugin({
        stripeClient: new Stripe(SECRET_KEY),
        stripeWebhookSecret: WEBHOOK_SECRET,
        subscription: { enabled: true, plans: [{ name: 'pro', priceId: life.priceId }] },
      }),
    ],
  })
  return (request) => auth.handler(request)
}

/**
 * Checks that events sent so far were applied. The plugin also answers 200 to events that it could not apply,
 * which would be measured as very fast.
 *
 * @throws if none was applied.
 */
export async function requireApplied({ postgres }: Setting): Promise<void> {
  const client = new pg.Client({ connectionString: postgres.url('better_auth') })
  await client.connect()
  const { rowCount } = await client.query(`SELECT 1 FROM "Subscription" WHERE status = 'active'`)
  await client.end()
  if (!rowCount)
    throw new Error('@better-auth/stripe has applied no event, so its figures would mean nothing.')
}

/** Prints the plugin's version, and whether it supports our version of Stripe's SDK. */
function sayPeerRange(): void {
  const { resolve } = createRequire(import.meta.url)
  const manifest = join(dirname(resolve('@better-auth/stripe')), '../package.json')
  const { version, peerDependencies } = JSON.parse(readFileSync(manifest, 'utf8')) as {
    version: string
    peerDependencies: { stripe: string }
  }
  const range = peerDependencies.stripe
  const majors: string[] = range.match(/\d+/g) ?? []
  const isInRange = majors.includes(Stripe.PACKAGE_VERSION.split('.')[0] ?? '')
  const remark = isInRange ? '' : `, which is outside its supported range (${range})`
  say(`@better-auth/stripe ${version} on stripe ${Stripe.PACKAGE_VERSION}${remark}`)
}

async function fill(url: string, life: Life, customers: number): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(readFileSync(new URL('tables.sql', import.meta.url), 'utf8'))
  const ids = (id: string) => Array.from({ length: customers }, (_, n) => copyOf(id, n))
  await client.query(
    `INSERT INTO "Subscription" ("id", "plan", "referenceId", "status",
      "stripeCustomerId", "stripeSubscriptionId")
    SELECT gen_random_uuid(), 'pro', gen_random_uuid(), 'incomplete', *
    FROM unnest($1::text[], $2::text[])`,
    [ids(life.customerId), ids(life.subscriptionId)],
  )
  await client.end()
}

interface PeerClient {
  $disconnect(): Promise<void>
}

interface Generated {
  PrismaClient: new (options: { adapter: PrismaPg }) => PeerClient
}

/**
 * Generates a Prisma client for the peer's tables. The repository's own client has a table with the same name
 * and other columns.
 */
async function createClient(url: string, folder: string, max: number): Promise<PeerClient> {
  const here = join(folder, 'better-auth')
  mkdirSync(here)
  copyFileSync(new URL('schema.prisma', import.meta.url), join(here, 'schema.prisma'))
  // The generated code and the command come from the database package, with the same version and
  // runtime.
  const db = createRequire(import.meta.url).resolve('@repo/db/package.json')
  symlinkSync(join(dirname(db), 'node_modules'), join(here, 'node_modules'))
  const command = join(dirname(createRequire(db).resolve('prisma/package.json')), 'build/index.js')
  await promisify(execFile)(process.execPath, [command, 'generate', '--schema=schema.prisma'], {
    cwd: here,
    // Generating runs in WebAssembly. The command requires an engine, but never starts it.
    env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath },
  })
  const generated = pathToFileURL(join(here, 'client/client.ts')).href
  const { PrismaClient } = (await import(generated)) as Generated
  return new PrismaClient({ adapter: new PrismaPg({ connectionString: url, max }) })
}
