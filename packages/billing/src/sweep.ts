/**
 * Sweeps over many rows. A row that fails is logged and does not hold up the others; the next sweep tries it again.
 *
 * @module
 */

import { isTollgateError, type Logger } from '@repo/core'
import { isConnectionLost } from './connection-lost.ts'
import { isBillingError } from './errors.ts'

/** The options of a sweep. */
export interface SweepOptions {
  /** Stops the sweep after the row at hand. Default: it runs to the end. */
  signal?: AbortSignal
}

/**
 * Runs `work` for one row. Where it throws, the row's ids and the error's code are logged under the message
 * `failure`, and undefined is returned.
 *
 * @throws the error of `work` where the database or the provider cannot be reached, because the next row would fail
 * too.
 */
export async function isolated<T>(
  { logger }: { logger: Logger },
  failure: string,
  ids: Record<string, string>,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (isConnectionLost(error) || isBillingError(error, 'provider_unavailable')) throw error
    const code = isTollgateError(error) ? error.code : 'internal_error'
    logger.error({ ...ids, code, error }, failure)
    return undefined
  }
}
