/**
 * Checks what must hold at the end of a drill. Each broken promise is a violation that names the object and
 * the values that differ.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import type { EffectCalls } from '@repo/billing/testing'
import type { Database } from '@repo/db'
import type Stripe from 'stripe'
import { checkCalls } from './calls.ts'
import { compareRows } from './compare.ts'
import { FORGED } from './deliveries.ts'
import type { DrillCustomer } from './life.ts'
import { checkMails } from './mails.ts'
import { readTruth } from './provider.ts'
import { readRows } from './rows.ts'
import type { Violation } from './violation.ts'

/** What the drill observed from outside. */
export interface Witness {
  /** For each event that was answered with 200: the hash of the sent bytes. */
  answered: ReadonlyMap<string, string>
  /** Ids of all events that happened. */
  happened: Iterable<string>
  /** All customers who signed up. */
  customers: readonly DrillCustomer[]
}

/** The input of `checkInvariants`. */
export interface InvariantOptions {
  /** The database of the instance under test. */
  db: Database
  /** A client with API version 2024-04-10 and without faults. */
  stripe: Stripe
  /** What the drill observed from outside. */
  witness: Witness
  /** The calls that the host's handlers got. */
  calls: EffectCalls
  /** Idempotency keys of all mails, after the queue is empty. Default: mails are not checked. */
  mails?: Iterable<string>
}

/** The SHA-256 of a body, in hex. */
export const hashOf = (body: string): string => createHash('sha256').update(body).digest('hex')

/** All violations, after everything was delivered, pulled and processed. */
export async function checkInvariants(options: InvariantOptions): Promise<Violation[]> {
  const { db, stripe, witness, calls, mails } = options
  const { customers } = witness
  const ownerIds = customers.map(({ ownerId }) => ownerId)
  const [truth, rows] = await Promise.all([readTruth(stripe, customers), readRows(db, ownerIds)])
  const effects = await db.effect.findMany({
    select: { key: true, name: true, payload: true, createdAt: true },
  })
  return [
    ...(await checkEvents(db, witness)),
    ...compareRows(truth, rows),
    ...(await checkCurrent(db)),
    ...checkCalls({ truth, rows, calls, effects }),
    ...(mails ? checkMails(mails, effects, rows) : []),
  ]
}

/** The documented reasons for which an event may need attention. */
const DOCUMENTED = new Set(['second_current_subscription', 'trial_already_used', 'unknown_price'])

/** Statuses of finished events. */
const ENDED = new Set(['processed', 'ignored', 'needs_attention'])

/** Events of one query. */
const PAGE = 2_000

async function checkEvents(db: Database, { answered, happened }: Witness): Promise<Violation[]> {
  const violations: Violation[] = []
  const blame = (id: string, message: string, invariant = 'event') =>
    violations.push({ invariant, id, message })
  const missing = new Set(happened)
  const unseen = new Set(answered.keys())
  let after = ''
  for (;;) {
    const page = await db.webhookEvent.findMany({
      where: { provider: 'stripe', eventId: { gt: after } },
      orderBy: { eventId: 'asc' },
      take: PAGE,
    })
    for (const { eventId: id, payload, status, reason, source, lease } of page) {
      missing.delete(id)
      unseen.delete(id)
      if (id.startsWith(FORGED)) blame(id, 'had to be refused but is stored', 'refused')
      const hash = answered.get(id)
      if (hash && source === 'delivery' && hash !== hashOf(payload ?? '')) {
        blame(id, 'is not stored byte for byte')
      }
      if (!ENDED.has(status)) blame(id, `is ${status} (${reason ?? 'no reason'})`)
      if (status === 'needs_attention' && !DOCUMENTED.has(reason ?? '')) {
        blame(id, `needs attention: ${reason}`)
      }
      if (lease && status !== 'pending') blame(id, `is ${status} but still has a lease`)
    }
    const last = page.at(-1)
    if (!last) break
    after = last.eventId
  }
  for (const id of unseen) blame(id, 'was answered with 200 but is not stored')
  for (const id of missing) blame(id, 'happened but is not stored')
  return violations
}

/** Checks the tables directly, so that the promise is checked even if the unique index is missing. */
async function checkCurrent(db: Database): Promise<Violation[]> {
  const several = await db.$queryRaw<{ ownerId: string; count: number }[]>`
    SELECT c."ownerId", count(*)::int AS "count" FROM "Subscription" s
    JOIN "Customer" c ON c."id" = s."customerId"
    WHERE s."status" IN ('trialing', 'active', 'past_due', 'unpaid', 'paused')
      AND s."needsAttention" IS NULL
    GROUP BY c."ownerId" HAVING count(*) > 1`
  return several.map(({ ownerId, count }) => ({
    invariant: 'current',
    id: ownerId,
    message: `has ${count} current subscriptions`,
  }))
}
