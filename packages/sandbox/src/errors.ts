/**
 * The errors of the stand-ins outside of the providers' own wire formats.
 *
 * @module
 */

import { TollgateError } from '@repo/core'

/** Every code of a {@link SandboxError}. */
export type SandboxErrorCode =
  | 'already_listening'
  | 'foreign_origin'
  | 'invalid_body'
  | 'invalid_state'
  | 'not_found'
  | 'state_file_unreadable'

/** An error of a stand-in's page, of a control for tests, or of the server. */
export class SandboxError extends TollgateError<SandboxErrorCode> {
  override readonly name = 'SandboxError'
}
