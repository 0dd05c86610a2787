/**
 * Recognises errors of a lost database connection.
 *
 * @module
 */

import { sqlErrorOf } from '@repo/db'

/** PostgreSQL's codes of a server that stops or starts, the codes of sockets, and Prisma's code for both. */
const LOST = /^(57P0[123]|08006|ECONNREFUSED|ECONNRESET|EPIPE|P1017)$/

/** Whether `error` means that the connection was lost, so that a retry may succeed. */
export function isConnectionLost(error: unknown): boolean {
  const { state, message } = sqlErrorOf(error)
  const { code } = (error ?? {}) as { code?: string }
  return LOST.test(state ?? code ?? '') || /Connection terminated|connection error/.test(message)
}
