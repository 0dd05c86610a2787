/**
 * The host's settings of credits, and the types of changes of the ledger.
 *
 * @module
 */

/** A balance that has fallen below its threshold. */
export interface LowBalance {
  /** The user or organization whose balance is low. */
  ownerId: string
  /** The credit type of the account: `credits`, unless the host names others. */
  creditType: string
  /** The balance after the change. It may have risen since. */
  balance: number
  /** The threshold of this credit type, from `lowBalance`. */
  threshold: number
  /** Id of the change that crossed the threshold. Use it as an idempotency key. */
  transactionId: string
}

/** The member `credits` of the options of `createBilling`. */
export interface CreditSettings {
  /**
   * Changes of this process that arrive together share one statement and one commit. Useful for accounts with
   * more than a few hundred changes a second. Default false.
   */
  groupCommit?: boolean
  /** The thresholds of low balances, by credit type. Default: none. */
  lowBalance?: Readonly<Record<string, number>>
  /** Called by a worker once for each crossing, and again if it throws. `transactionId` identifies the crossing. */
  onLowBalance?: (event: LowBalance) => unknown
  /** Buys credits when a balance is low. Default: no top-ups. */
  topUp?: {
    /** The most top-ups of an account on one day in UTC. The database counts them. */
    perDay: number
    /**
     * Buys more credits for an owner who wants that, for example by charging a saved card. It is called again
     * with the same key if it throws.
     */
    run: (ownerId: string, creditType: string, key: string) => unknown
  }
}

/** One change, as "Credit_post" takes it. */
export interface Post {
  ownerId: string
  type: 'purchase' | 'grant' | 'deduction' | 'refund' | 'expiry' | 'adjustment'
  amount: number
  description: string
  actor?: string
  expiresAt?: Date | null
  priority?: number
  refundOf?: bigint
  owing?: boolean
  purchaseKey?: string
  holdSeconds?: number
  series?: string
  rollover?: number
}

/** A change as the ledger has made it. */
export interface Posted {
  transactionId: string
  /** The balance after the change. */
  balance: number
  amount: number
  debt: number
  holdId: string | null
  holdStatus: 'open' | 'captured' | 'released' | null
}

/** The arguments of one change. */
export interface PostCall {
  change: Post
  creditType: string
  key: string
  threshold: number | null
  now: Date | null
}

/** The answer of "Credit_post". */
export interface PostRow {
  /** In a group: the index of the answered call. */
  number?: bigint
  status: string
  id: bigint | null
  balance: bigint
  amount: bigint | null
  debt: bigint | null
  hold_id: bigint | null
  hold_status: Posted['holdStatus']
}

/** Makes one change. */
export type PostCredits = (call: PostCall) => Promise<PostRow>
