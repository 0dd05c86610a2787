/**
 * Writing what the database may refuse. One object that cannot be written never keeps the rest of its customer out:
 * the rows are written together, and where the database refuses the values of one of them, once more each alone.
 *
 * @module
 */

import { type Db, sqlErrorOf } from '@repo/db'

/** Of SQLSTATE: class 22 "data exception", null in a column that has none, a CHECK. */
const REFUSED_VALUE = /^(22\w{3}|23502|23514)$/

/** Whether the database refused the values of a row, which it will refuse each time. */
export const isRefusedValue = (error: unknown): boolean =>
  REFUSED_VALUE.test(sqlErrorOf(error).state ?? '')

/** `write` behind a savepoint. False: the database refuses its values, and nothing of it was done. */
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
