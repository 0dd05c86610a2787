/**
 * Idempotency keys that survive refusals. A provider keeps its answer under a key for at least a day, also a
 * refusal or an error of its own, and repeats that answer. So a refusal is stored, and the next try uses
 * another key. Without an answer the key stays the same, because the request may have been executed.
 *
 * @see https://docs.stripe.com/api/idempotent_requests
 * @module
 */

import type { BillingContext } from '../context.ts'

/** The idempotency key under which an owner's first customer is created. */
export const customerKey = (environment: string, ownerId: string): string =>
  `cus:${environment}:${ownerId}`

type KeyContext = Pick<BillingContext, 'db'>

/** How many repeated old answers are skipped within one call. */
const MOST_KEPT = 5

/**
 * Sends a request under the key `name`, or `name:<number>` after refusals. `refusals` is the number of
 * refusals so far: with refusals, a request that must not be executed twice first checks whether it was
 * executed. `isFirst`: the caller has just created the name, so no refusal can be stored for it.
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
      // A replayed answer belongs to an earlier call that ended before it stored the refusal, so
      // the next key is tried.
      if (!isReplayed(error) || kept >= MOST_KEPT) throw error
    }
  }
}

/** Stores a refusal. Several refusals under one key count once. */
async function noteRefusal({ db }: KeyContext, name: string, refusals: number): Promise<void> {
  await db.$executeRaw`
    INSERT INTO "RefusedRequest" AS r ("name", "refusals") VALUES (${name}, ${refusals + 1})
    ON CONFLICT ("name") DO UPDATE SET "refusals" = excluded."refusals", "refusedAt" = now()
    WHERE r."refusals" < excluded."refusals"`
}

/** After this many days no provider knows a key any more. Providers promise 24 hours or 30 days. */
const FORGOTTEN_DAYS = 31
/** Rows deleted by one statement. */
const AT_ONCE = 5_000

/**
 * Deletes refusals whose keys no longer matter, because the provider has forgotten the key and the request is
 * done or obsolete. Refusals for a customer that is not yet created, or for an order that can still be
 * refunded, are kept, because they show that the request may have been executed. Returns how many it deleted.
 */
export async function forgetRefusals({
  db,
  appUrl,
}: Pick<BillingContext, 'db' | 'appUrl'>): Promise<number> {
  const customers = customerKey(appUrl.host, '')
  let forgotten = 0
  for (let count = AT_ONCE; count === AT_ONCE; forgotten += count) {
    // LIMIT makes PostgreSQL look up each order and customer by its index instead of reading the
    // whole tables into a hash.
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
 * Whether the error is an answer that the provider keeps under the key. It does not keep 409 and 429. A 502,
 * 503 or 504 comes from a proxy in between and does not say whether the request was executed.
 */
function isKept(error: unknown): boolean {
  const { statusCode } = answerOf(error)
  if (typeof statusCode !== 'number' || statusCode === 409 || statusCode === 429) return false
  return statusCode <= 500
}

const isReplayed = (error: unknown): boolean =>
  answerOf(error).headers?.['idempotent-replayed'] === 'true'
