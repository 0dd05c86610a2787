/**
 * Checks the ledger in SQL that shares nothing with the functions that write it. Each statement sees one
 * snapshot, however much is being written.
 *
 * @module
 */

import { optional, requireId } from '@repo/core'
import { atomically, type Database, type Db, sqlErrorOf } from '@repo/db'
import { isConnectionLost } from '../connection-lost.ts'
import { type CheckName, PASSES, type Pass } from './checks.ts'
import { wrongGuards } from './guards.ts'

/** A violation: the check, the first wrong transaction, and the two values that differ. */
export interface LedgerViolation {
  check: LedgerCheck
  /** Null: the violation belongs to no account. */
  ownerId: string | null
  /** Null: the violation belongs to no account. */
  creditType: string | null
  /** Id of the first wrong transaction. Null: no transaction is wrong. */
  transactionId: string | null
  /** The value that follows from the other rows. For a guard, its name. */
  expected: string | null
  /** The value that is stored. Null: a row or guard is missing. */
  found: string | null
}

/** The range of owner ids to check, both ends included. Default: all. */
export interface OwnerRange {
  /** The lowest owner id. Default: no limit. */
  from?: string
  /** The highest owner id. Default: no limit. */
  to?: string
}

/** The range of a check. */
export interface Look extends OwnerRange {
  /** This owner id and higher ones are left out. */
  before?: string
}

/** The name of a check. */
export type LedgerCheck = CheckName | 'guards'

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

/** Violations of the guards; see `wrongGuards`. */
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

/** Runs the checks of one statement. If the rows make the statement fail, each of its parts runs alone. */
export async function checkLedger(
  db: Asks,
  pass: Pass,
  look: Look = {},
): Promise<LedgerViolation[]> {
  const { parts } = pass
  const made = () => ask(db, pass, look)
  const [first] = parts
  if (parts.length === 1 && first) return orThatItFailed(first.checks, made)
  try {
    return await made()
  } catch (error) {
    if (!isOfRows(error)) throw error
    const found: LedgerViolation[] = []
    for (const part of parts)
      found.push(...(await checkLedger(db, { ...pass, parts: [part] }, look)))
    return found
  }
}

/** Reports a check that the rows make fail as a violation, so that the other checks still run. */
async function orThatItFailed(
  checks: readonly LedgerCheck[],
  make: () => Promise<LedgerViolation[]>,
): Promise<LedgerViolation[]> {
  try {
    return await make()
  } catch (error) {
    if (!isOfRows(error)) throw error
    const found = `could not be checked: ${sqlErrorOf(error).state}`
    return checks.map((check) => ({ check, ...NOWHERE, expected: null, found }))
  }
}

/** Whether the content of rows made the statement fail, so that a retry would fail, too. */
function isOfRows(error: unknown): boolean {
  const { state } = sqlErrorOf(error)
  return !isConnectionLost(error) && state !== null && /^(22|2F|P0|XX)/.test(state)
}

async function ask(
  db: Asks,
  { parts, isHashed = false }: Pass,
  { from = '', to, before }: Look,
): Promise<LedgerViolation[]> {
  const all = parts.map(({ sql }, at) => `SELECT * FROM (${sql}) part${at}`).join(' UNION ALL ')
  const values = [from, to ?? null, before ?? null, ...(all.includes('$4') ? [inACentury()] : [])]
  const rows = await atomically(
    db,
    async (tx) => {
      // Sorting a million rows on disk takes three times as long.
      await tx.$executeRaw`SELECT set_config('work_mem', '256MB', true), set_config('jit', 'off', true),
        set_config('enable_sort', ${isHashed ? 'off' : 'on'}, true)`
      return tx.$queryRawUnsafe<Row[]>(
        `SELECT "check", "ownerId", "creditType", "id"::bigint AS "id", "expected"::text AS "expected", "found"::text AS "found"
     FROM (${all}) violations`,
        ...values,
      )
    },
    { maxWaitMs: HOUR, timeoutMs: HOUR },
  )
  return rows.map(({ id, ...row }) => ({ ...row, transactionId: id === null ? null : `${id}` }))
}

const HOUR = 60 * 60 * 1000

/** The latest plausible time of a transaction. Nearer future times are possible, because domain time may be moved. */
const inACentury = () => new Date(Date.now() + 100 * 365 * 24 * 60 * 60 * 1000)

/** All violations of the ledger. Empty as long as its promises hold. */
export async function ledgerViolations(
  db: Asks,
  range: OwnerRange = {},
): Promise<LedgerViolation[]> {
  optional(range, 'from', requireId)
  optional(range, 'to', requireId)
  const found: LedgerViolation[] = []
  for (const pass of PASSES.flat()) found.push(...(await checkLedger(db, pass, range)))
  found.push(...(await checkGuards(db)))
  return found
}
