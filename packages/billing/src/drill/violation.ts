/**
 * What a check found.
 *
 * @module
 */

export interface Violation {
  /** `event`, `row`, `effect`, `mail`, `current`, `refused`, or a code of the drill's own. */
  invariant: string
  /** The object's id at the provider, or a key. */
  id: string
  message: string
}
