/**
 * What the measurements of webhooks are given; figures and targets are those of every benchmark.
 *
 * @module
 */

import type { PostgresServer } from '@repo/db/testing'
import type { Options } from './options.ts'
import type { Scope } from './scope.ts'

export * from '../../core/bench/report.ts'

/** What each measurement is given. */
export interface Setting {
  options: Options
  /** For files, removed in the end. */
  folder: string
  postgres: PostgresServer
  scope: Scope
}
