/**
 * The daily comparison with the provider: every customer is synced in full, and what differed is
 * reported. It finds what no event told of.
 *
 * @module
 */

import type { BillingContext } from './context.ts'
import { isLinked } from './customers.ts'
import { BillingError } from './errors.ts'
import { syncLinked } from './sync.ts'
import { inSpan } from './telemetry.ts'
import type { Change } from './write.ts'

export interface ReconcileOptions {
  signal?: AbortSignal
  onProgress?: (done: number, total: number) => void
}

export interface Difference {
  ownerId: string
  changes: Change[]
  /** True: the provider has deleted the customer. */
  deleted: boolean
}

export interface ReconcileResult {
  /** Customers compared. */
  customers: number
  /** Those whose rows differed, and are right now. */
  differences: Difference[]
  /** Owners that could not be compared, with the code of the reason. */
  failed: { ownerId: string; reason: string }[]
}

const PAGE = 200

/** Syncs every customer the provider knows. One that fails does not hold up the rest. */
export function reconcile(
  ctx: BillingContext,
  options: ReconcileOptions = {},
): Promise<ReconcileResult> {
  return inSpan('reconcile', {}, async (span) => {
    const { signal, onProgress } = options
    const result: ReconcileResult = { customers: 0, differences: [], failed: [] }
    const where = { stripeCustomerId: { not: null } }
    const total = await ctx.db.customer.count({ where })
    let after = ''
    for (;;) {
      const page = await ctx.db.customer.findMany({
        where: { ...where, id: { gt: after } },
        orderBy: { id: 'asc' },
        take: PAGE,
      })
      const queue = page.filter(isLinked)
      const lane = async () => {
        for (let customer = queue.shift(); customer; customer = queue.shift()) {
          if (signal?.aborted) return
          await compare(ctx, customer, result)
          onProgress?.(result.customers, total)
        }
      }
      await Promise.all(Array.from({ length: ctx.events.lanes }, lane))
      const last = page.at(-1)
      if (!last || signal?.aborted) break
      after = last.id
    }
    span.setAttribute('tollgate.differences', result.differences.length)
    const { customers, differences, failed } = result
    const summary = { customers, differences: differences.length, failed: failed.length }
    ctx.logger.info(summary, 'reconciled')
    return result
  })
}

async function compare(
  ctx: BillingContext,
  customer: Parameters<typeof syncLinked>[1],
  result: ReconcileResult,
): Promise<void> {
  const { ownerId } = customer
  result.customers += 1
  try {
    const { changes, deleted } = await syncLinked(ctx, customer, {
      depth: 'full',
      mayBeDeleted: true,
    })
    if (changes.length === 0 && !deleted) return
    result.differences.push({ ownerId, changes, deleted })
    ctx.logger.warn({ ownerId, changes, deleted }, 'differed from the provider')
  } catch (error) {
    const reason = error instanceof BillingError ? error.code : 'internal_error'
    result.failed.push({ ownerId, reason })
    ctx.logger.error({ ownerId, reason, error }, 'could not be reconciled')
  }
}
