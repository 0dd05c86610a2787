/**
 * What each measurement is given.
 *
 * @module
 */

import type { PostgresServer } from '@repo/db/testing'
import type { Scope } from '../../core/bench/scope.ts'
import type { Options } from './options.ts'

export interface Setting {
  options: Options
  /** For files, removed in the end. */
  folder: string
  postgres: PostgresServer
  scope: Scope
}
