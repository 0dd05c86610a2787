/**
 * What kind of change a transaction of the ledger is to its reader. The ledger knows how a change works: credits that
 * are taken for a refund of money are an adjustment there, because they may become debt, and its `refund` gives
 * credits back. To a reader such a row is the `refund` that it is of, whenever it was written.
 *
 * @module
 */

/** The kinds of change that a log tells. */
export type LoggedType = 'purchase' | 'grant' | 'deduction' | 'refund' | 'expiry' | 'adjustment'

/** Keys under which credits are taken for refunded money: `refund:<order>:<n>`, `<key of a grant>:refund:<n>`. */
const REFUND_KEY = /(^|:)refund:[^:]+(:\d+)?$/

/** `refund` for credits taken because money went back; else the type as the ledger has it. */
export function loggedType(row: {
  type: string
  amount: bigint
  debt: bigint
  idempotencyKey: string
}): LoggedType {
  const isTaken = row.type === 'adjustment' && row.amount < row.debt
  if (isTaken && REFUND_KEY.test(row.idempotencyKey)) return 'refund'
  return row.type as LoggedType
}
