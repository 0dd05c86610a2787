/**
 * Whether the ledger holds together, asked in SQL that shares nothing with the function that writes it.
 * Each check is one statement and so sees one moment, however much is being written.
 *
 * @module
 */

import { optional, requireId } from '@repo/core'
import { atomically, type Database, type Db, sqlErrorOf } from '@repo/db'
import { isConnectionLost } from '../connection-lost.ts'
import { PASSES } from './checks.ts'
import { wrongGuards } from './guards.ts'

/** What is wrong, where it begins, and the two values that disagree. */
export interface LedgerViolation {
  check: LedgerCheck
  /** Null: not of an account. */
  ownerId: string | null
  creditType: string | null
  /** The first transaction that is wrong; null where none of them is. */
  transactionId: string | null
  /** What follows from the other rows; of a guard, its name. */
  expected: string | null
  found: string | null
}

/** The owners to look at, both ends included. Left out: all. */
export interface OwnerRange {
  from?: string
  to?: string
}

/** What a look at the ledger needs to know besides. */
export interface Look extends OwnerRange {
  /** Owners from here on are left out. */
  before?: string
}

export type Pass = (typeof PASSES)[number]

export type LedgerCheck = Pass['checks'][number] | 'guards'

type Asks = Db | Database

interface Row {
  check: LedgerCheck
  ownerId: string
  creditType: string
  id: bigint | null
  expected: string | null
  found: string | null
}

const NOWHERE = { ownerId: null, creditType: null, transactionId: null }

/** Whether the guards stand. */
export const checkGuards = (db: Asks): Promise<LedgerViolation[]> =>
  orThatItFailed(['guards'], async () => {
    const wrong = await wrongGuards(db)
    return wrong.map(({ name, found }) => ({
      check: 'guards',
      ...NOWHERE,
      expected: name,
      found,
    }))
  })

/** Makes the checks of one statement. */
export const checkLedger = (
  db: Asks,
  { checks, ...pass }: Pass,
  look: Look = {},
): Promise<LedgerViolation[]> =>
  orThatItFailed(checks, async () => {
    const rows = await ask(db, pass, look)
    return rows.map(({ id, ...row }) => ({ ...row, transactionId: id === null ? null : `${id}` }))
  })

/** A check that the rows make fail is a violation by itself, so that the others are made. */
async function orThatItFailed(
  checks: readonly LedgerCheck[],
  make: () => Promise<LedgerViolation[]>,
): Promise<LedgerViolation[]> {
  try {
    return await make()
  } catch (error) {
    const { state } = sqlErrorOf(error)
    if (isConnectionLost(error) || !state || !/^(22|2F|P0|XX)/.test(state)) throw error
    const found = `could not be checked: ${state}`
    return checks.map((check) => ({ check, ...NOWHERE, expected: null, found }))
  }
}

function ask(
  db: Asks,
  { sql, isHashed = false }: { sql: string; isHashed?: boolean },
  look: Look,
): Promise<Row[]> {
  const { from = '', to, before } = look
  const bounds = [from, to ?? null, before ?? null]
  return atomically(
    db,
    async (tx) => {
      // Sorting a million rows on disk takes three times as long.
      await tx.$executeRaw`SELECT set_config('work_mem', '256MB', true), set_config('jit', 'off', true),
        set_config('enable_sort', ${isHashed ? 'off' : 'on'}, true)`
      return tx.$queryRawUnsafe<Row[]>(
        `SELECT "check", "ownerId", "creditType", "id"::bigint AS "id", "expected"::text AS "expected", "found"::text AS "found"
     FROM (${sql}) violations`,
        ...bounds,
        ...(sql.includes('$4') ? [inACentury()] : []),
      )
    },
    { maxWaitMs: HOUR, timeoutMs: HOUR },
  )
}

const HOUR = 60 * 60 * 1000

/** No time of the log lies after it; nearer ones may, because domain time may be moved. */
const inACentury = () => new Date(Date.now() + 100 * 365 * 24 * 60 * 60 * 1000)

/** Everything that is wrong with the ledger; nothing, as long as the promises hold. */
export async function ledgerViolations(
  db: Asks,
  range: OwnerRange = {},
): Promise<LedgerViolation[]> {
  optional(range, 'from', requireId)
  optional(range, 'to', requireId)
  const found: LedgerViolation[] = []
  for (const pass of PASSES) found.push(...(await checkLedger(db, pass, range)))
  found.push(...(await checkGuards(db)))
  return found
}
