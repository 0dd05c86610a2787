/**
 * What the doctor reports.
 *
 * @module
 */

import type { CheckResult } from '../checks.ts'

/** A check with its result. */
export interface Finding extends CheckResult {
  /** `<area>.<what>` */
  id: string
  /** How long the check took, in milliseconds. */
  ms: number
}

/** What the doctor found. */
export interface DoctorReport {
  /** Whether no check failed. */
  isOk: boolean
  isLive: boolean
  /** The path of the configuration; null where none was found. */
  config: string | null
  /** The databases and accounts that were examined. */
  actsOn: string[]
  /** How many checks ended in each state. */
  counts: Readonly<Record<CheckResult['state'], number>>
  checks: Finding[]
}

/** Told while the doctor works. */
export interface DoctorWatcher {
  /** The instances are open, and `total` checks follow. */
  begun?(about: Pick<DoctorReport, 'config' | 'actsOn'>, total: number): void
  /** A check runs. */
  started?(id: string, done: number, total: number): void
  /** A check has ended. */
  found?(finding: Finding): void
}
