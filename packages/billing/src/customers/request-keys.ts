/**
 * Idempotency keys that mean one request and not one day. A provider keeps its answer under a key, also a
 * refusal and an error of its own, for at least a day: a repetition under the same key is told the same. So a
 * request that got such an answer is written down, and its next try has another key. Without an answer the key
 * stays, because the request may have been done.
 *
 * @see https://docs.stripe.com/api/idempotent_requests
 * @module
 */

import type { BillingContext } from '../context.ts'

/** The idempotency key under which an owner's first customer is made. */
export const customerKey = (environment: string, ownerId: string): string =>
  `cus:${environment}:${ownerId}`

type KeyContext = Pick<BillingContext, 'db'>

/** How often a kept answer is passed over within one call. */
const MOST_KEPT = 5

/**
 * Sends a request under the key of `name`, or of its next try. `refusals` says how often it was answered with an
 * error before: a request that must not be done twice then looks first whether it was done. `isFirst` says that the
 * caller has made up the name this moment, so that nothing can have been refused under it.
 */
export async function underKey<T>(
  ctx: KeyContext,
  name: string,
  send: (idempotencyKey: string, refusals: number) => Promise<T>,
  { isFirst = false } = {},
): Promise<T> {
  const row = isFirst ? null : await ctx.db.refusedRequest.findUnique({ where: { name } })
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

/** After so many days no provider knows a key any more; 24 hours and 30 days are what they promise. */
const FORGOTTEN_DAYS = 31
const AT_ONCE = 5_000

/**
 * Deletes the refusals whose keys no longer matter: the provider has forgotten them, and what was asked for is done or
 * over. Those of a customer that is not yet made and of a refund that may be asked for again are kept, because they
 * say that the request may have been done. Returns how many it deleted.
 */
export async function forgetRefusals({
  db,
  appUrl,
}: Pick<BillingContext, 'db' | 'appUrl'>): Promise<number> {
  const customers = customerKey(appUrl.host, '')
  let forgotten = 0
  for (let count = AT_ONCE; count === AT_ONCE; forgotten += count) {
    // With LIMIT each order and customer is looked up; without, all of them would be read into a hash.
    count = await db.$executeRaw`
      DELETE FROM "RefusedRequest" WHERE "name" IN (
        SELECT r."name" FROM (
          SELECT "name", split_part("name", ':', 1) AS "kind", split_part("name", ':', 2) AS "id",
            CASE WHEN starts_with("name", ${customers}) THEN substr("name", length(${customers}) + 1) END AS "owner"
          FROM "RefusedRequest" WHERE "refusedAt" < now() - ${FORGOTTEN_DAYS} * interval '1 day') r
          LEFT JOIN LATERAL (SELECT o."status" = 'pending' AS "isPending", o."amountRefunded" < o."amountPaid" AS "isPaid"
            FROM "Order" o WHERE o."id" = r."id" LIMIT 1) o ON true
          LEFT JOIN LATERAL (SELECT true AS "isUnmade" FROM "Customer" c
            WHERE c."ownerId" IN (r."owner", regexp_replace(r."owner", ':[^:]*$', ''))
              AND c."stripeCustomerId" IS NULL AND c."forgottenAt" IS NULL LIMIT 1) c ON true
        WHERE CASE "kind"
          WHEN 'confirm' THEN true
          WHEN 'order' THEN o."isPending" IS NOT TRUE
          WHEN 'pi' THEN o."isPending" IS NOT TRUE
          WHEN 'refund' THEN o."isPaid" IS NOT TRUE
          WHEN 'cus' THEN r."owner" IS NOT NULL AND c."isUnmade" IS NULL END
        LIMIT ${AT_ONCE})`
  }
  return forgotten
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
