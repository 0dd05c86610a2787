/**
 * What a host sets about credits, and the changes that the ledger takes.
 *
 * @module
 */

export interface LowBalance {
  ownerId: string
  creditType: string
  /** After the change. It may have risen since. */
  balance: number
  threshold: number
  /** The change that crossed it: a key for what is told. */
  transactionId: string
}

export interface CreditSettings {
  /**
   * Changes of this process that arrive together share one statement and one commit. For accounts that
   * more than some hundred changes a second meet. Default false.
   */
  groupCommit?: boolean
  /** By credit type: below how many credits a balance is low. Default: none is. */
  lowBalance?: Readonly<Record<string, number>>
  /**
   * Told once for each crossing, by a worker; again, where it throws. `transactionId` names the crossing.
   */
  onLowBalance?: (event: LowBalance) => unknown
  topUp?: {
    /** How often a day and account, by UTC. The database keeps count. */
    perDay: number
    /**
     * Buys more for an owner who wants that, e.g. charges a saved card. Runs again, where it throws, under
     * the same key.
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

export interface Posted {
  transactionId: string
  /** After it. */
  balance: number
  amount: number
  debt: number
  holdId: string | null
  holdStatus: 'open' | 'captured' | 'released' | null
}

/** What one call of the writer takes. */
export interface PostCall {
  change: Post
  creditType: string
  key: string
  threshold: number | null
  now: Date | null
}

export interface PostRow {
  /** In a group: which of the calls it answers. */
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
