/**
 * A small drill in one process: histories are played at the stand-in while the product, under faults,
 * takes deliveries and works through them; then what must hold is checked.
 */

import { randomUUID } from 'node:crypto'
import { type Billing, createBilling, createStripe, STRIPE_API_VERSION } from '@repo/billing'
import { countingEffects, createCallTable, readCalls } from '@repo/billing/testing'
import { createTestLogger } from '@repo/core/testing'
import type { Database } from '@repo/db'
import { createTestDatabase, type TestPostgres } from '@repo/db/testing'
import { createOutbox } from '@repo/email/testing'
import { runPending } from '@repo/jobs'
import { createSandbox } from '@repo/sandbox'
import Stripe from 'stripe'
import {
  type Chaos,
  checkInvariants,
  createFated,
  createLife,
  createPost,
  createRandom,
  type DrillStep,
  type Due,
  type Fated,
  fatedDatabase,
  fatedFetch,
  hashOf,
  signDelivery,
  type Violation,
} from '../drill/index.ts'

const SECRET_KEY = 'sk_test_drill'
const WEBHOOK_SECRET = 'whsec_drill'
/** Of the processes that meet faults, at least: a lease is also what a stalled call outlives. */
const LEAST_LEASE_MS = 150
/** Of those that meet none. Nobody takes what they hold away. */
const CALM_LEASE_MS = 600_000

export interface Scenario {
  steps: DrillStep[]
  /** Of the delivery plan and the faults. */
  seed: number
  /** The share of calls that something befalls. */
  faultRate: number
}

export async function createRig(postgres: TestPostgres) {
  const database = await createTestDatabase(postgres)
  const { db, url: databaseUrl } = database
  await createCallTable(db)
  const logger = createTestLogger()
  /** Faults that befell, by kind, over all runs. */
  const faults: Record<string, number> = {}
  return {
    faults,
    logger,
    run: (scenario: Scenario) => run(scenario, { db, databaseUrl, logger, faults }),
    close: () => database.drop(),
  }
}

interface Rig {
  db: Database
  databaseUrl: string
  logger: ReturnType<typeof createTestLogger>
  faults: Record<string, number>
}

const FAULTS = {
  fail_before: 5,
  fail_after: 5,
  die_before: 3,
  die_after: 3,
  stall_before: 1,
  stall_after: 1,
} as const

async function run(scenario: Scenario, rig: Rig): Promise<Violation[]> {
  const { seed } = scenario
  const { db, databaseUrl, faults, logger } = rig
  logger.entries.length = 0
  await empty(db)
  const sandbox = createSandbox({
    stripe: { secretKey: SECRET_KEY },
    logger: createTestLogger(),
  })
  const { url } = await sandbox.listen()
  // Refused requests are tried again by what asks, which is what the drill is about.
  const limits = { tries: 1 }
  const stripe = createStripe(SECRET_KEY, { apiBase: url, maxNetworkRetries: 0, limits })
  const outbox = createOutbox()
  let handlerFailures = 0
  let faultRate = scenario.faultRate
  let processes = 0

  let leaseMs = LEAST_LEASE_MS
  /** A process of the product; `chaos` null: one that meets no faults. */
  const start = (chaos: Chaos | null): Billing => {
    const fated: Fated | null = chaos && createFated(chaos)
    return createBilling({
      db: fated ? fatedDatabase(db, fated) : db,
      stripe: fated ? stripeOver(url, leaseMs, fatedFetch(fated)) : stripe,
      logger,
      livemode: false,
      sender: outbox.sender,
      appUrl: 'http://localhost:3000',
      stripeWebhookSecrets: [WEBHOOK_SECRET],
      effects: countingEffects(() => faultRate > 0 && ++handlerFailures % 17 === 0),
      events: {
        lanes: 2,
        leaseMs: fated ? leaseMs : CALM_LEASE_MS,
        retryDelaysMs: Array(60).fill(5),
      },
    })
  }
  const doomed = (): Billing => {
    const random = createRandom(seed, 3, ++processes)
    return start({
      stallMs: leaseMs * 1.4,
      next: () => (random.chance(faultRate) ? random.weighted(FAULTS) : 'none'),
      onFault: (fault) => {
        faults[fault] = (faults[fault] ?? 0) + 1
      },
    })
  }
  const calm = start(null)
  const began = performance.now()
  await calm.pushPlans()
  // So slow is this machine now: with less time than that, no process would get anything done.
  leaseMs = Math.max(LEAST_LEASE_MS, Math.ceil(performance.now() - began))

  const passes: Promise<unknown>[] = []
  const owners = await makeOwners(db, scenario.steps)
  const life = createLife({
    stripe,
    standIn: sandbox.stripe,
    environment: 'localhost:3000',
    ownerOf: (who) => owners.get(who) as { ownerId: string; email: string },
    // Every other customer was linked before we crashed; the rest are by their first event.
    async onSignUp({ ownerId }, stripeCustomerId) {
      if (life.customers.length % 2 === 1) return false
      await db.customer.update({ where: { ownerId }, data: { stripeCustomerId } })
      return true
    },
    onVisit: ({ ownerId }) =>
      passes.push(
        doomed()
          .syncCustomer(ownerId)
          .catch(() => {}),
      ),
  })

  const answered = new Map<string, string>()
  const violations: Violation[] = []
  const post = createPost(seed, { reach: 40 })
  const deliver = async (billing: Billing, due: Due, retry: (due: Due) => void) => {
    const { body, signature } = signDelivery(due.kind, due.body, WEBHOOK_SECRET)
    const { status } = await billing.handleStripeWebhook(
      new Request('http://localhost:3000/api/webhooks/stripe', {
        method: 'POST',
        headers: { 'stripe-signature': signature },
        body,
      }),
    )
    if (due.kind !== 'genuine') {
      if (status === 400) return
      violations.push({ invariant: 'refused', id: due.eventId, message: `${due.kind}: ${status}` })
    } else if (status === 200) answered.set(due.eventId, hashOf(body))
    else retry(due)
  }

  for (const [index, step] of scenario.steps.entries()) {
    await life.play(step)
    const happened = sandbox.stripe.events.slice(post.events) as unknown as Stripe.Event[]
    const due = happened.flatMap((event) =>
      post.take({ id: event.id, body: JSON.stringify(event) }),
    )
    const ingest = doomed()
    await Promise.all(due.map((each) => deliver(ingest, each, (again) => post.again(again, 3))))
    if (index % 2 === 0)
      passes.push(
        doomed()
          .processEvents()
          .catch(() => {}),
      )
    if (index % 5 === 4) await Promise.all(passes)
  }
  const rest = post.rest()
  passes.push(
    doomed()
      .processEvents()
      .catch(() => {}),
  )
  while (rest.length > 0) {
    const batch = rest.splice(0, 20)
    const ingest = doomed()
    await Promise.all(batch.map((due) => deliver(ingest, due, (again) => rest.push(again))))
    passes.push(
      doomed()
        .processEvents()
        .catch(() => {}),
    )
  }
  await Promise.all(passes)
  faultRate = 0
  await drain(db, calm)
  await calm.pullEvents()
  await drain(db, calm)
  await runPending({ databaseUrl, jobs: [calm.jobs], logger })

  violations.push(
    ...(await checkInvariants({
      db,
      stripe,
      calls: await readCalls(db),
      mails: outbox.sent.map(({ idempotencyKey }) => idempotencyKey ?? ''),
      witness: {
        answered,
        happened: sandbox.stripe.events.map(({ id }) => id as string),
        customers: life.customers,
      },
    })),
  )
  const keys = outbox.sent.map(({ idempotencyKey }) => idempotencyKey ?? 'none')
  for (const [at, key] of keys.entries()) {
    if (keys.indexOf(key) < at)
      violations.push({ invariant: 'mail', id: key, message: 'sent twice' })
  }
  await sandbox.stop()
  return violations
}

function stripeOver(url: string, timeout: number, fetch: typeof globalThis.fetch): Stripe {
  const { hostname, port } = new URL(url)
  return new Stripe(SECRET_KEY, {
    apiVersion: STRIPE_API_VERSION as Stripe.LatestApiVersion,
    host: hostname,
    port: Number(port),
    protocol: 'http',
    httpClient: Stripe.createFetchHttpClient(fetch),
    maxNetworkRetries: 0,
    timeout,
    telemetry: false,
  })
}

async function makeOwners(db: Database, steps: readonly DrillStep[]) {
  const owners = new Map<number, { ownerId: string; email: string }>()
  for (const { who } of steps) {
    if (owners.has(who)) continue
    const ownerId = randomUUID()
    owners.set(who, { ownerId, email: `${ownerId}@example.com` })
  }
  const all = [...owners.values()]
  await db.user.createMany({
    data: all.map(({ ownerId: id, email }) => ({ id, email, name: id, emailVerified: true })),
  })
  await db.customer.createMany({ data: all.map(({ ownerId }) => ({ ownerId, ownerType: 'user' })) })
  return owners
}

/** Works until nothing waits. Nobody holds a lease any more, so those that are left are of the dead. */
async function drain(db: Database, billing: Billing): Promise<void> {
  for (let round = 0; round < 20; round++) {
    const waits = await db.$executeRaw`
      UPDATE "WebhookEvent" SET "nextAttemptAt" = now() WHERE "status" = 'pending'`
    if (waits === 0) return
    await Promise.all([billing.processEvents(), billing.processEvents()])
  }
}

async function empty(db: Database): Promise<void> {
  await db.$executeRaw`TRUNCATE "WebhookEvent", "Effect", "DrillCall", "TrialRedemption",
    "Customer", "Price", "Product", "User", graphile_worker._private_jobs CASCADE`
}
