/**
 * The option `bounds`: how much one user can have. `room.ts` holds users to it.
 *
 * @module
 */

import { AuthError } from '../errors.ts'

/** The option `bounds` of `createAuth`. Each bound is from 1 to 10,000. */
export interface Bounds {
  /** Organizations that a user owns. Default 50. */
  organizations: number
  /** Invitations of an organization that have no answer yet. Default 100. */
  invitations: number
  /** Sessions of a user. One more session ends the least recently used one. Default 50. */
  sessions: number
  /** Passkeys of a user. Default 20. */
  passkeys: number
  /** Accounts of a user. The password is one account, and so is each provider's. Default 20. */
  accounts: number
}

/** The bounds without options. */
const DEFAULTS: Bounds = {
  organizations: 50,
  invitations: 100,
  sessions: 50,
  passkeys: 20,
  accounts: 20,
}

/** Fills in the defaults. @throws `invalid_options` unless each bound is a whole number from 1 to 10,000 */
export function boundsOf(given: Partial<Bounds> = {}): Bounds {
  const bounds = { ...DEFAULTS, ...given }
  for (const [name, value] of Object.entries(bounds)) {
    if (Number.isInteger(value) && value >= 1 && value <= 10_000) continue
    throw new AuthError(
      'invalid_options',
      `bounds.${name} must be a whole number from 1 to 10,000.`,
    )
  }
  return bounds
}
