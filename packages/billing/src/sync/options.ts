/**
 * What a sync is asked for, and what it says.
 *
 * @module
 */

import type { Db } from '@repo/db'
import type { Problem } from '../alerts.ts'
import type { Part } from './part.ts'
import type { Change } from './write.ts'

export interface SyncOptions {
  /** `recent` (default): the newest hundred of each object. `full`: all there is. */
  depth?: 'recent' | 'full'
  /** The provider's ids of objects that must be part of it. Asked for when there are older ones. */
  also?: () => Promise<readonly string[]>
  /** Payments whose disputes an event has told of: these are listed, whatever the charge says. */
  disputed?: () => Promise<readonly string[]>
  /** Asks first whether the provider still has the customer, because an event says that it was deleted. */
  mayBeDeleted?: boolean
  /** Asks whether the provider still has the customer, of whom no event says so. Default false. */
  asksDeleted?: boolean
  /** A ticket that was drawn before anything was asked for. Default: one is drawn. */
  ticket?: bigint
  /** Records what has happened and tells nobody: no handler, no mail. Default: what is new is told. */
  silent?: boolean
  /**
   * What to load, where that is enough: the objects that events name, or the subscriptions alone. A customer whose
   * state is not simple is loaded whole.
   */
  part?: Part
  /**
   * Runs in the transaction of the write, last, also where a later sync has already written; one that
   * looks further than others do begins anew before.
   */
  within?: (tx: Db, result: SyncResult) => Promise<unknown>
}

export interface SyncResult {
  /** False: a sync that began later has already written. */
  written: boolean
  /** What a person has to look at; the rest is written. */
  problems: Problem[]
  /** The rows that changed. */
  changes: Change[]
  /** Keys of effects whose handler threw; the next sync tries again. */
  failedEffects: string[]
  /** True: the provider has deleted the customer, whose subscriptions have ended. */
  deleted: boolean
  /** True: only a part of the customer was loaded and written. */
  isPart?: boolean
  /** True: the owner was forgotten, and nothing that names them is kept. */
  isForgotten?: boolean
}
