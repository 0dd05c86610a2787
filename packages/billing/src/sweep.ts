/**
 * Sweeps go through many rows, and a row that fails does not hold up the others: it is logged and met again by the
 * next sweep.
 *
 * @module
 */

import { isTollgateError, type Logger } from '@repo/core'
import { isConnectionLost } from './connection-lost.ts'
import { isBillingError } from './errors.ts'

/**
 * Does the work of one row. Where that throws, the row's ids and the code of the reason are logged as an error, and
 * undefined is returned.
 *
 * @throws what the work throws where the database or the provider cannot be reached: the next row would fail, too.
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
