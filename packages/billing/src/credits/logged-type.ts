/**
 * The kind of a transaction as readers see it. In the ledger, credits that are clawed back for refunded money
 * are an `adjustment`, because they may become debt, and a `refund` gives credits back. Readers see such an
 * adjustment as a `refund`, whenever it was written.
 *
 * @module
 */

/** The kinds of transactions that readers see. */
export type LoggedType = 'purchase' | 'grant' | 'deduction' | 'refund' | 'expiry' | 'adjustment'

/** Keys of clawbacks for refunded money: `refund:<order>:<n>`, `<key of a grant>:refund:<n>`. */
const REFUND_KEY = /(^|:)refund:[^:]+(:\d+)?$/

/** `refund` for a clawback after a refund of money; otherwise the ledger's type. */
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
