/**
 * What the checks of auth know of the instance that they check.
 *
 * @module
 */

import type { Database } from '@repo/db'
import type { Auth } from '../instance.ts'
import type { AnyAuthOptions } from '../options.ts'

/** The instance that is checked. */
export interface Checked {
  options: AnyAuthOptions
  db: Database
  baseURL: string
  /** Hashes a password as the instance does. */
  hash(password: string): Promise<string>
  /** The same instance with other options. */
  again(
    options: Partial<AnyAuthOptions>,
  ): Pick<Auth, 'handler' | 'getSession' | 'settled' | 'close'>
}
