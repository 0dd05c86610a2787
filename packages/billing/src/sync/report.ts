/**
 * What a sync tells after its commit: log entries, alerts and metrics.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import type { LinkedCustomer } from '../customers/customers.ts'
import { countEffects } from '../telemetry.ts'
import type { SyncResult } from './options.ts'
import type { Written } from './sync-write.ts'

/** Logs changes, raises alerts and counts effects, after the commit of a sync. */
export function tellOf(
  ctx: BillingContext,
  customer: LinkedCustomer,
  result: SyncResult,
  written: Written | null,
): void {
  report(ctx, customer, result, written?.alarms ?? [])
  countEffects(written?.taken ?? [])
}

/** Logs changes and raises alerts, after the commit. */
function report(
  ctx: BillingContext,
  { ownerId }: LinkedCustomer,
  { problems, changes }: SyncResult,
  alarms: string[],
): void {
  for (const { object, id, from, to } of changes) {
    if (object === 'subscription' && from !== to) {
      ctx.logger.info(
        { ownerId, subscription: id, from, to },
        'the status of a subscription changed',
      )
    }
  }
  for (const { id, reason } of problems) {
    if (alarms.includes(id)) ctx.alert({ code: reason, ownerId, id })
    else ctx.logger.warn({ ownerId, id, reason }, 'an object of the customer needs attention')
  }
}
