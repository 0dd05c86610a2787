/**
 * The check of owner ids. Promise: no function of billing looks anything up without an owner's id, because a filter
 * that is undefined would match everybody's rows.
 *
 * @module
 */

import { ArgumentError, requireId } from '@repo/core'
import { BillingError } from './errors.ts'

/**
 * Returns the owner's id.
 *
 * @throws `owner_required` (400) for a missing or empty id, `invalid_input` (400) for one that cannot be stored
 */
export function requireOwner(ownerId: unknown): string {
  if (typeof ownerId !== 'string' || ownerId.trim() === '') {
    throw new BillingError(
      'owner_required',
      'The owner id is missing. Pass the id of the user or organization that pays.',
    )
  }
  try {
    return requireId('The owner id', ownerId)
  } catch (error) {
    if (error instanceof ArgumentError) throw new BillingError('invalid_input', error.message)
    throw error
  }
}
