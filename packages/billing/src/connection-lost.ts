/**
 * Whether an error means that the connection to the database was lost, and not that the database refused.
 *
 * @module
 */

import { sqlErrorOf } from '@repo/db'

/** The server ends or begins; the socket; Prisma's word for either. */
const LOST = /^(57P0[123]|08006|ECONNREFUSED|ECONNRESET|EPIPE|P1017)$/

/** True where trying once more may succeed. */
export function isConnectionLost(error: unknown): boolean {
  const { state, message } = sqlErrorOf(error)
  const { code } = (error ?? {}) as { code?: string }
  return LOST.test(state ?? code ?? '') || /Connection terminated|connection error/.test(message)
}
