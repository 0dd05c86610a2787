/**
 * The options and the result of a sync.
 *
 * @module
 */

import type { Db } from '@repo/db'
import type { Problem } from '../alerts.ts'
import type { Load } from '../providers/provider.ts'
import type { Part } from './part.ts'
import type { Change } from './write-subscriptions.ts'

/** How much a sync loads and what it sets off. */
export interface SyncOptions {
  /** `recent` (default): the newest hundred objects of each kind. `full`: all objects. */
  depth?: 'recent' | 'full'
  /**
   * Returns the provider's ids of objects that must be loaded. Called only when the customer has more than a
   * hundred objects of a kind.
   */
  also?: () => Promise<readonly string[]>
  /** Returns payments for which an event reported a dispute. Their disputes are listed, whatever the charge says. */
  disputed?: () => Promise<readonly string[]>
  /** An event says that the customer was deleted, so the sync first asks the provider. Default false. */
  mayBeDeleted?: boolean
  /** Asks the provider whether it has deleted the customer, although no event says so. Default false. */
  asksDeleted?: boolean
  /** A ticket that the caller drew before its first request. Default: the sync draws a ticket. */
  ticket?: bigint
  /** Records facts without running handlers or sending mails. Default: new facts set off their effects. */
  silent?: boolean
  /**
   * Loads only the objects that events name, or only the subscriptions. The whole customer is loaded where a
   * part is not enough. Default: the whole customer.
   */
  part?: Part
  /**
   * Runs between the load and the write, with the loaded objects and the ticket that was drawn before; without an
   * argument where the provider no longer has the customer. Runs again where the sync starts again.
   */
  loaded?: (from?: Load) => Promise<void>
  /**
   * Runs last in the transaction of the write, even if a later sync has already written. In that case a sync
   * that loads more than the default first starts again.
   */
  within?: (tx: Db, result: SyncResult) => Promise<unknown>
}

/** What a sync wrote and found. */
export interface SyncResult {
  /** False: a sync that began later had already written. */
  written: boolean
  /** Objects that a person has to look at. Everything else was written. */
  problems: Problem[]
  /** The rows that changed. */
  changes: Change[]
  /** Keys of effects whose handler threw. The next sync tries them again. */
  failedEffects: string[]
  /** True: the provider has deleted the customer, and the customer's subscriptions have ended. */
  deleted: boolean
  /** True: a deleted customer stays linked, because an event will try its failed effects again. */
  keepsLink?: boolean
  /** True: only a part of the customer was loaded and written. */
  isPart?: boolean
  /** True: the owner was forgotten, so nothing that names the owner is written. */
  isForgotten?: boolean
}
