/**
 * What the stand-ins refuse outside Stripe's own wire format.
 *
 * @module
 */

import { TollgateError } from '@repo/core'

/** Every code a {@link SandboxError} can carry. */
export type SandboxErrorCode =
  | 'already_listening'
  | 'foreign_origin'
  | 'invalid_body'
  | 'invalid_state'
  | 'not_found'
  | 'state_file_unreadable'

/** A refusal of a stand-in: a page, a control for tests, or the server that holds them. */
export class SandboxError extends TollgateError<SandboxErrorCode> {
  override readonly name = 'SandboxError'
}
