/**
 * Whether the ledger holds together, asked in SQL that shares nothing with the function that writes it.
 * Each check is one statement and so sees one moment, however much is being written.
 *
 * @module
 */

import { optional, requireId } from '@repo/core'
import { atomically, type Database, type Db, sqlErrorOf } from '@repo/db'
import { isConnectionLost } from '../connection-lost.ts'
import { CHECKS } from './checks.ts'
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

export type LedgerCheck = keyof typeof CHECKS | 'guards'

/** The names of the checks, in the order in which they are made. */
export const LEDGER_CHECKS = [...Object.keys(CHECKS), 'guards'] as LedgerCheck[]

type Asks = Db | Database

interface Row {
  ownerId: string
  creditType: string
  id: bigint | null
  expected: string | null
  found: string | null
}

const NOWHERE = { ownerId: null, creditType: null, transactionId: null }

/** Makes one check. A check that the rows make fail is a violation by itself, so that the others are made. */
export async function checkLedger(
  db: Asks,
  check: LedgerCheck,
  look: Look = {},
): Promise<LedgerViolation[]> {
  try {
    if (check === 'guards') {
      const wrong = await wrongGuards(db)
      return wrong.map(({ name, found }) => ({ check, ...NOWHERE, expected: name, found }))
    }
    const rows = await ask(db, check, look)
    return rows.map(({ id, ...row }) => ({
      check,
      ...row,
      transactionId: id === null ? null : `${id}`,
    }))
  } catch (error) {
    const { state } = sqlErrorOf(error)
    if (isConnectionLost(error) || !state || !/^(22|2F|P0|XX)/.test(state)) throw error
    return [{ check, ...NOWHERE, expected: null, found: `could not be checked: ${state}` }]
  }
}

function ask(db: Asks, check: keyof typeof CHECKS, look: Look): Promise<Row[]> {
  const { from = '', to, before } = look
  const sql = CHECKS[check]
  const bounds = [from, to ?? null, before ?? null]
  return atomically(
    db,
    async (tx) => {
      // Sorting a million rows on disk takes three times as long.
      await tx.$executeRaw`SELECT set_config('work_mem', '256MB', true)`
      return tx.$queryRawUnsafe<Row[]>(
        `SELECT "ownerId", "creditType", "id"::bigint AS "id", "expected"::text AS "expected", "found"::text AS "found"
     FROM (${sql}) violations`,
        ...bounds,
        ...(sql.includes('$4') ? [inACentury()] : []),
      )
    },
    { timeoutMs: 60 * 60 * 1000 },
  )
}

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
  for (const check of LEDGER_CHECKS) found.push(...(await checkLedger(db, check, range)))
  return found
}
