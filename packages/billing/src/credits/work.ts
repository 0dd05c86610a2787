/**
 * Runs work that is paid with a hold. With a key the work runs once over all processes: a row in the database
 * records that it runs, the hold's deadline is its lease, and overlapping calls wait for the answer. No
 * connection is held meanwhile. If the process dies, the lease ends at the deadline, and the next call runs
 * the work again.
 *
 * @module
 */

import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Prisma } from '@repo/db'
import type { BillingContext } from '../context.ts'
import {
  creditTypeOf,
  requireCredits,
  requireDescription,
  requireKey,
  ttlOf,
} from '../credit-input.ts'
import { BillingError, InsufficientCreditsError } from '../errors.ts'
import { requireOwner } from '../owner-id.ts'
import {
  captureHold,
  type HoldOptions,
  hold,
  releaseHold,
  type SettleRow,
  settledOf,
} from './holds.ts'
import { ask, domainNow, outcomeOf, required, thresholdsOf } from './ledger.ts'
import { createWatch, type Watch } from './work-clock.ts'
import { errorOfOutcome, outcomeOfError, outcomeOfResult } from './work-outcome.ts'

/** The argument of the work. */
export interface HeldCredits {
  /** Id of the hold, for logs and for `captureHold` by hand. */
  holdId: string
  /** Sets how many of the held credits are captured when the work ends. Default: all. */
  capture(amount: number): void
}

/**
 * The options of `withCredits`: how long the work may take (`ttlSeconds`), and its idempotency key. It cannot
 * join a transaction.
 */
export type WorkOptions = Omit<HoldOptions, 'tx'>

type Work<T> = (held: HeldCredits) => Promise<T> | T

interface Settings {
  ownerId: string
  creditType: string
  amount: number
  description: string
  ttlSeconds: number
}

/**
 * Holds credits, runs `work`, captures what the work used and returns its result.
 * The contract is in `functions/credits.ts`.
 */
export async function withCredits<T>(
  ctx: BillingContext,
  ownerId: string,
  amount: number,
  description: string,
  work: Work<T>,
  options: WorkOptions = {},
): Promise<T> {
  const settings = {
    ownerId: requireOwner(ownerId),
    creditType: creditTypeOf(options.creditType),
    amount: requireCredits(amount),
    description: requireDescription(description),
    ttlSeconds: ttlOf(options.ttlSeconds),
  }
  if (options.idempotencyKey === undefined) return withoutKey(ctx, settings, work)
  return shared(ctx, settings, requireKey(options.idempotencyKey), work)
}

async function withoutKey<T>(ctx: BillingContext, settings: Settings, work: Work<T>): Promise<T> {
  const { ownerId, amount, description, creditType, ttlSeconds } = settings
  const held = await hold(ctx, ownerId, amount, description, { creditType, ttlSeconds })
  if ('success' in held) throw new InsufficientCreditsError(ownerId, amount, held.balance)
  const holdId = held.holdId as string
  return carriedOut(ctx, work, holdId, amount, {
    done: (captured) =>
      captured === 0 ? releaseHold(ctx, holdId) : captureHold(ctx, holdId, captured),
    failed: () => releaseHold(ctx, holdId),
  })
}

/** How the end of the work is stored. */
interface Ends {
  done(captured: number, result: unknown): Promise<unknown>
  failed(error: unknown): Promise<unknown>
}

async function carriedOut<T>(
  ctx: BillingContext,
  work: Work<T>,
  holdId: string,
  amount: number,
  ends: Ends,
): Promise<T> {
  let captured = amount
  const capture = (part: number): void => {
    captured = part === 0 ? 0 : requireCredits(part)
    if (captured > amount) {
      throw new BillingError(
        'capture_exceeds_hold',
        `${part} credits cannot be captured, because the hold has only ${amount}.`,
        { data: { required: part, available: amount } },
      )
    }
  }
  let result: T
  try {
    result = await work({ holdId, capture })
  } catch (error) {
    await ends.failed(error).catch((cause: unknown) => {
      ctx.logger.warn(
        { holdId, error: cause },
        'could not release a hold; it is released after its deadline',
      )
    })
    throw error
  }
  await ends.done(captured, result)
  return result
}

/** The running work of one instance of billing. */
interface Instance {
  /**
   * Identifies the instance in the database. Work that the database has under this id and `running` lacks has
   * stopped.
   */
  worker: string
  running: Map<string, Promise<unknown>>
  watch: Watch
}

const instances = new WeakMap<BillingContext, Instance>()

/** The keys of the work that the current code runs in. */
const inside = new AsyncLocalStorage<readonly string[]>()

const createInstance = (ctx: BillingContext): Instance => ({
  worker: randomUUID(),
  running: new Map(),
  watch: createWatch(ctx),
})

async function shared<T>(
  ctx: BillingContext,
  settings: Settings,
  key: string,
  work: Work<T>,
): Promise<T> {
  const instance = instances.get(ctx) ?? createInstance(ctx)
  instances.set(ctx, instance)
  const { running } = instance
  const { ownerId, creditType, amount } = settings
  const name = JSON.stringify([ownerId, key])
  const facts = JSON.stringify([ownerId, key, creditType, amount])
  const around = inside.getStore() ?? []
  if (around.includes(name)) {
    throw new BillingError(
      'idempotency_conflict',
      `The work with the key ${key} calls itself with the same key, and would wait for itself.`,
    )
  }
  const present = running.get(facts)
  if (present) return present as Promise<T>
  const began = instance.watch.now()
  const answer = inside.run([...around, name], async () => {
    try {
      return await oncePerKey(ctx, settings, { ...instance, key, began }, work)
    } finally {
      running.delete(facts)
    }
  })
  running.set(facts, answer)
  return answer
}

interface Turn extends Instance {
  key: string
  /** When the call began, by the database's clock. */
  began: Promise<number>
}

interface BeginRow {
  status: string
  hold_id: bigint | null
  turn: number | null
  balance: bigint | null
  outcome: string | null
  clock: number
}

async function oncePerKey<T>(
  ctx: BillingContext,
  settings: Settings,
  turn: Turn,
  work: Work<T>,
): Promise<T> {
  for (;;) {
    const row = await begin(ctx, settings, turn)
    switch (row.status) {
      case 'begun': {
        const holdId = `${row.hold_id}`
        const ends = endsOf(ctx, turn, holdId, row.turn ?? 0)
        return carriedOut(ctx, work, holdId, settings.amount, ends)
      }
      case 'working':
        await untilItEnds(ctx, settings.ownerId, turn.key)
        break
      case 'done': {
        if (row.outcome === null) throw done(turn.key, ', and its result was not kept')
        return JSON.parse(row.outcome).value
      }
      case 'failed':
        throw errorOfOutcome(row.outcome)
      case 'settled':
        throw done(turn.key)
      default: {
        const { ownerId, amount } = settings
        const posted = {
          ...row,
          id: null,
          amount: null,
          debt: null,
          balance: row.balance ?? BigInt(0),
        }
        const outcome = outcomeOf({ ...posted, hold_status: null }, turn.key)
        required(outcome, { ownerId, amount: -amount })
      }
    }
  }
}

const done = (key: string, more = '') =>
  new BillingError('hold_settled', `The work with the key ${key} is already done${more}.`)

async function begin(ctx: BillingContext, settings: Settings, turn: Turn): Promise<BeginRow> {
  const { ownerId, creditType, amount, description, ttlSeconds } = settings
  const { key, worker, watch } = turn
  const began = await turn.began
  const [row] = await ask<BeginRow>(
    ctx,
    undefined,
    'Credit_begin_work',
    Prisma.sql`SELECT * FROM "Credit_begin_work"(${ownerId}::text, ${creditType}::text, ${amount}::bigint,
      ${key}::text, ${description}::text, ${ttlSeconds}::int, ${worker}::text, ${began}::float8,
      ${JSON.stringify(thresholdsOf(ctx))}::jsonb, ${domainNow(ctx)}::timestamptz)`,
  )
  watch.saw((row as BeginRow).clock)
  return row as BeginRow
}

function endsOf(ctx: BillingContext, { watch }: Turn, holdId: string, turn: number): Ends {
  const end = async (captured: number, isFailed: boolean, outcome: string | null) => {
    const [row] = await ask<SettleRow & { clock: number | null }>(
      ctx,
      undefined,
      'Credit_end_work',
      Prisma.sql`SELECT * FROM "Credit_end_work"(${BigInt(holdId)}::bigint, ${turn}::int,
        ${captured}::bigint, ${isFailed}::boolean, ${outcome}::text,
        ${JSON.stringify(thresholdsOf(ctx))}::jsonb, ${domainNow(ctx)}::timestamptz)`,
    )
    watch.saw(row?.clock ?? 0)
    return settledOf(row, holdId, captured)
  }
  return {
    done: (captured, result) => end(captured, false, outcomeOfResult(result)),
    failed: (error) => end(0, true, outcomeOfError(error)),
  }
}

const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 500

/** Polls without a lock until the work or its lease has ended. */
async function untilItEnds(ctx: BillingContext, ownerId: string, key: string): Promise<void> {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 1.5, LONGEST_PAUSE_MS)) {
    await sleep(pause)
    const [row] = await ask<{ present: bigint }>(
      ctx,
      undefined,
      'Credit_work',
      Prisma.sql`SELECT count(*) AS "present" FROM "CreditWork" w JOIN "CreditHold" h ON h."id" = w."holdId"
        WHERE w."ownerId" = ${ownerId} AND w."idempotencyKey" = ${key} AND w."status" = 'working'
          AND h."status" = 'open' AND h."expiresAt" > clock_timestamp()`,
    )
    if (row?.present === BigInt(0)) return
  }
}

/**
 * Deletes the rows of work that ended over an hour ago, with their results and errors. The holds stay.
 * Returns the number of rows.
 */
export async function forgetEndedWork(ctx: BillingContext): Promise<number> {
  return ctx.db.$executeRaw`
    DELETE FROM "CreditWork" w USING "CreditHold" h
    WHERE h."id" = w."holdId" AND h."status" <> 'open'
      AND coalesce(w."finishedAt", h."settledAt") < clock_timestamp() - interval '1 hour'`
}
