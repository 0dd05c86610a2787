/**
 * Whether the ledger holds together, asked in SQL that shares nothing with the function that writes it.
 * Each check is one statement and so sees one moment, however much is being written.
 *
 * @module
 */

import { optional, requireId } from '@repo/core'
import { atomically, type Database, type Db, sqlErrorOf } from '@repo/db'
import { isConnectionLost } from '../connection-lost.ts'
import { type CheckName, PASSES, type Pass } from './checks.ts'
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

/** Makes the checks of one statement. Where the rows make it fail, each of its parts is asked alone. */
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

/** A check that the rows make fail is a violation by itself, so that the others are made. */
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

/** Whether what the rows hold made a statement fail, and another try would. */
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
  for (const pass of PASSES.flat()) found.push(...(await checkLedger(db, pass, range)))
  found.push(...(await checkGuards(db)))
  return found
}
