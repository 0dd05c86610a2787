/**
 * Writes an object that the database may refuse. Promise: an object that cannot be written never prevents the
 * write of the customer's other objects. All rows are first written together. If the database refuses the
 * values of a row, each row is written alone.
 *
 * @module
 */

import { type Db, sqlErrorOf } from '@repo/db'

/**
 * SQLSTATE codes of refused values: class 22 (data exception), 23502 (not-null violation), 23514 (check
 * violation).
 */
const REFUSED_VALUE = /^(22\w{3}|23502|23514)$/

/** Whether the database refused the values of a row. A retry would be refused, too. */
export const isRefusedValue = (error: unknown): boolean =>
  REFUSED_VALUE.test(sqlErrorOf(error).state ?? '')

/** Runs `write` behind a savepoint. False: the database refused its values, and the write was undone. */
export async function writeAlone(tx: Db, write: () => Promise<unknown>): Promise<boolean> {
  await tx.$executeRaw`SAVEPOINT alone`
  try {
    await write()
    await tx.$executeRaw`RELEASE SAVEPOINT alone`
    return true
  } catch (error) {
    if (!isRefusedValue(error)) throw error
    await tx.$executeRaw`ROLLBACK TO SAVEPOINT alone`
    return false
  }
}
