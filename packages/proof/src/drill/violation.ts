/**
 * The result of a failed check.
 *
 * @module
 */

/** A broken promise. */
export interface Violation {
  /** The broken promise: `event`, `row`, `effect`, `mail`, `current`, `refused`, or a code of a drill. */
  invariant: string
  /** The object's id at the provider, or a key. */
  id: string
  message: string
}
