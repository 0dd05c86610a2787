/**
 * Idempotency keys that mean one request and not one day. A provider keeps its answer under a key, also a
 * refusal and an error of its own, for at least a day: a repetition under the same key is told the same. So a
 * request that got such an answer is written down, and its next try has another key. Without an answer the key
 * stays, because the request may have been done.
 *
 * @see https://docs.stripe.com/api/idempotent_requests
 * @module
 */

import type { BillingContext } from './context.ts'

type KeyContext = Pick<BillingContext, 'db'>

/** How often a kept answer is passed over within one call. */
const MOST_KEPT = 5

/**
 * Sends a request under the key of `name`, or of its next try. `refusals` says how often it was answered with an
 * error before: a request that must not be done twice then looks first whether it was done.
 */
export async function underKey<T>(
  ctx: KeyContext,
  name: string,
  send: (idempotencyKey: string, refusals: number) => Promise<T>,
): Promise<T> {
  const row = await ctx.db.refusedRequest.findUnique({ where: { name } })
  for (let refusals = row?.refusals ?? 0, kept = 0; ; refusals += 1, kept += 1) {
    try {
      return await send(refusals === 0 ? name : `${name}:${refusals + 1}`, refusals)
    } catch (error) {
      if (!isKept(error)) throw error
      await noteRefusal(ctx, name, refusals)
      // It was given to an earlier call, which ended before it could write that down.
      if (!isReplayed(error) || kept >= MOST_KEPT) throw error
    }
  }
}

/** Of several that were refused under one key, one counts. */
async function noteRefusal({ db }: KeyContext, name: string, refusals: number): Promise<void> {
  await db.$executeRaw`
    INSERT INTO "RefusedRequest" AS r ("name", "refusals") VALUES (${name}, ${refusals + 1})
    ON CONFLICT ("name") DO UPDATE SET "refusals" = excluded."refusals", "refusedAt" = now()
    WHERE r."refusals" < excluded."refusals"`
}

interface Answered {
  statusCode?: unknown
  headers?: Record<string, unknown>
}

const answerOf = (error: unknown): Answered =>
  ((error as { cause?: unknown } | null)?.cause ?? {}) as Answered

/**
 * Whether the error is an answer that is kept. A conflict and too many requests are not; a 502, 503 or 504 comes from
 * something between, and does not say whether the request was done.
 */
function isKept(error: unknown): boolean {
  const { statusCode } = answerOf(error)
  if (typeof statusCode !== 'number' || statusCode === 409 || statusCode === 429) return false
  return statusCode <= 500
}

const isReplayed = (error: unknown): boolean =>
  answerOf(error).headers?.['idempotent-replayed'] === 'true'
