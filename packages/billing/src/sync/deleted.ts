/**
 * Customers that Stripe has deleted.
 *
 * @module
 */

import { atomically } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { type LinkedCustomer, unlinkCustomer } from '../customers/customers.ts'
import { BillingError } from '../errors.ts'
import { ask, isMissing } from '../providers/stripe/client.ts'
import type { SyncOptions, SyncResult } from './options.ts'
import { takeTurn } from './turns.ts'

/**
 * Whether Stripe has deleted the customer. "No such customer" alone does not prove that, because Stripe
 * answers the same to a key of another account. Together with an event about the deletion it does.
 *
 * @throws `customer_not_found` where Stripe does not know the customer, and no event reported a deletion.
 */
export async function isDeleted(
  ctx: BillingContext,
  { ownerId, stripeCustomerId }: LinkedCustomer,
  { isTold = false }: { isTold?: boolean } = {},
): Promise<boolean> {
  try {
    const customer = await ask('customer', ctx.stripe.customers.retrieve(stripeCustomerId))
    return customer.deleted === true
  } catch (error) {
    if (!isMissing(error)) throw error
    if (isTold) return true
    throw new BillingError(
      'customer_not_found',
      `Stripe does not know the customer ${stripeCustomerId} of the owner ${ownerId}, and reports no deletion. ` +
        'Nothing was changed. Check that the key belongs to the right account.',
      { cause: error },
    )
  }
}

/** Unlinks a deleted customer whose objects the provider no longer lists. */
export async function finishDeleted(
  ctx: BillingContext,
  customer: LinkedCustomer,
  ticket: bigint,
  within: SyncOptions['within'],
): Promise<SyncResult> {
  const isForgotten = customer.forgottenAt !== null
  const ended = { problems: [], changes: [], failedEffects: [], deleted: true }
  const result = { ...ended, written: false, isForgotten }
  await atomically(ctx.db, async (tx) => {
    result.written = (await takeTurn(tx, customer, ticket)) === 'taken'
    // A later sync cannot have loaded anything of a deleted customer, so its write does not prevent
    // this one.
    await unlinkCustomer(ctx, tx, customer)
    await within?.(tx, result)
  })
  return result
}
