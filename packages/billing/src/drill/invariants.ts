/**
 * What must hold in the end, whatever happened on the way. Each broken promise is one violation that
 * names the object and the values that disagree.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import type { Database } from '@repo/db'
import type Stripe from 'stripe'
import { checkCalls, type EffectCalls } from './calls.ts'
import { compareRows } from './compare.ts'
import { FORGED } from './deliveries.ts'
import type { DrillCustomer } from './life.ts'
import { checkMails } from './mails.ts'
import { readTruth } from './provider.ts'
import { readRows } from './rows.ts'
import type { Violation } from './violation.ts'

/** What the drill saw from outside. */
export interface Witness {
  /** Of each event that was answered 200: the hash of the bytes that were sent. */
  answered: ReadonlyMap<string, string>
  /** Ids of all events that happened. */
  happened: Iterable<string>
  /** Everybody who signed up. */
  customers: readonly DrillCustomer[]
}

export interface InvariantOptions {
  db: Database
  /** Asks in the version 2024-04-10, and meets no faults. */
  stripe: Stripe
  witness: Witness
  calls: EffectCalls
  /** Keys under which mails were asked for, once nothing is queued. Default: not checked. */
  mails?: Iterable<string>
}

export const hashOf = (body: string): string => createHash('sha256').update(body).digest('hex')

/** All that is wrong, once everything has been delivered, pulled and processed. */
export async function checkInvariants(options: InvariantOptions): Promise<Violation[]> {
  const { db, stripe, witness, calls, mails } = options
  const { customers } = witness
  const ownerIds = customers.map(({ ownerId }) => ownerId)
  const [truth, rows] = await Promise.all([readTruth(stripe, customers), readRows(db, ownerIds)])
  const effects = await db.effect.findMany({ select: { key: true, name: true, payload: true } })
  return [
    ...(await checkEvents(db, witness)),
    ...compareRows(truth, rows),
    ...(await checkCurrent(db)),
    ...checkCalls({ truth, rows, calls, effects }),
    ...(mails ? checkMails(mails, effects, rows) : []),
  ]
}

/** Reasons for which a person is to look at an event: they are the documented ones. */
const DOCUMENTED = new Set(['second_current_subscription', 'trial_already_used', 'unknown_price'])

/** Statuses that end an event. */
const ENDED = new Set(['processed', 'ignored', 'needs_attention'])

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
      if (id.startsWith(FORGED)) blame(id, 'was to be refused and is stored', 'refused')
      const hash = answered.get(id)
      if (hash && source === 'delivery' && hash !== hashOf(payload ?? '')) {
        blame(id, 'is not stored byte for byte')
      }
      if (!ENDED.has(status)) blame(id, `is ${status} (${reason ?? 'no reason'})`)
      if (status === 'needs_attention' && !DOCUMENTED.has(reason ?? '')) {
        blame(id, `needs attention: ${reason}`)
      }
      if (lease && status !== 'pending') blame(id, `is ${status} and still leased`)
    }
    const last = page.at(-1)
    if (!last) break
    after = last.eventId
  }
  for (const id of unseen) blame(id, 'was answered 200 and is not stored')
  for (const id of missing) blame(id, 'happened and is not stored')
  return violations
}

/** Asked of the tables alone, so that it holds even where the index that says so is gone. */
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
