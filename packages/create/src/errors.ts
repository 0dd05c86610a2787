/**
 * The errors of the command. None of them leaves a changed file behind.
 *
 * @module
 */

import { TollgateError } from '@repo/core'

/** The codes of the command's errors. */
export type CreateErrorCode =
  /** An argument or a flag is wrong. */
  | 'usage'
  /** The folder with the sources is no checkout of this repository. */
  | 'checkout_not_found'
  /** A file of the checkout says something that the command cannot use. */
  | 'invalid_checkout'
  /** The host's folder, or a file in it, cannot be used. */
  | 'invalid_host'
  /** A package of the host already has the name of a package to copy. */
  | 'name_taken'
  /** The host has no receipt, so nothing was copied into it by this command. */
  | 'receipt_not_found'
  /** The host's Prisma schema cannot be read, or could not after the command. */
  | 'invalid_schema'
  /** The host's Prisma schema and Tollgate's models have names or fields that do not fit together. */
  | 'schema_conflict'
  /** The receipt cannot be read. */
  | 'invalid_receipt'
  /** The checkout is older than what the host has. */
  | 'older_checkout'
  /** Files wait for a person to merge them. */
  | 'unresolved'
  /** The host has changes that are not committed. */
  | 'dirty_tree'
  /** A file cannot be written, or has changed since the plan was made. */
  | 'write_failed'
  /** Another command changes the host at this moment. */
  | 'busy'
  /** Another part needs the part to remove. */
  | 'part_needed'
  /** A file of the host has a form that a recipe cannot edit. */
  | 'unrecognizable'
  /** There is no update to take back, or a file has changed after it. */
  | 'nothing_to_abort'

/** An error with a code, and a message that says what to do. */
export class CreateError extends TollgateError<CreateErrorCode> {
  override readonly name = 'CreateError'

  constructor(code: CreateErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(code, 400, message, options)
  }
}
