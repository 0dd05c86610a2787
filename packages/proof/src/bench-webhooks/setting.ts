/**
 * The setting of a measurement.
 *
 * @module
 */

import type { PostgresServer } from '@repo/db/testing'
import type { Scope } from '../harness/scope.ts'
import type { Options } from './options.ts'

/** The options, and the resources that measurements share. */
export interface Setting {
  options: Options
  /** A folder for files, which is removed at the end. */
  folder: string
  postgres: PostgresServer
  scope: Scope
}
