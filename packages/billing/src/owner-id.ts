/**
 * Whose rows a function is about. Promise: no function of billing looks anything up for an owner that was not
 * named, because a filter that is undefined would find everybody's rows.
 *
 * @module
 */

import { ArgumentError, requireId } from '@repo/core'
import { BillingError } from './errors.ts'

/** @throws `owner_required` (400) without one, `invalid_input` (400) for what cannot be stored */
export function requireOwner(ownerId: unknown): string {
  if (typeof ownerId !== 'string' || ownerId.trim() === '') {
    throw new BillingError(
      'owner_required',
      'No owner was named. Give the id of the user or the organization that pays.',
    )
  }
  try {
    return requireId('The owner id', ownerId)
  } catch (error) {
    if (error instanceof ArgumentError) throw new BillingError('invalid_input', error.message)
    throw error
  }
}
