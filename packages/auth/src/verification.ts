/**
 * What a verification row is for. Better Auth finds the rows of links, states, challenges and codes by one
 * column, and each of its endpoints asks for whatever identifier a caller sends. Here the stored identifier
 * names its purpose and holds a hash under the key of that purpose: a value that was issued for one purpose
 * leads to no row of another, and a stored identifier cannot be asked for. The database has CHECK
 * "VerificationToken_identifier_check".
 *
 * @module
 */

import { createHmac } from 'node:crypto'
import type { Keys } from './keys.ts'
import { PURPOSES, type VerificationPurpose } from './purposes.ts'

/** Better Auth's passkey plugin is the only one whose identifiers begin with nothing of their own. */
const PASSKEY_CHALLENGE = /^[A-Za-z0-9_-]{32}$/

/** The purpose that an identifier names; null for an identifier that nothing here issues. */
export function purposeOf(identifier: string): VerificationPurpose | null {
  for (const [beginning, purpose] of Object.entries(PURPOSES)) {
    if (identifier.startsWith(beginning)) return purpose
  }
  return PASSKEY_CHALLENGE.test(identifier) ? 'passkey-challenge' : null
}

/** What the stored identifiers of one purpose begin with. */
export const storedPrefix = (purpose: VerificationPurpose): string => `hashed:${purpose}:`

/**
 * Better Auth's `storeIdentifier`: `hashed:<purpose>:<HMAC-SHA-256, base64url>`. An identifier without a purpose
 * gets `none`, which no row has: the CHECK refuses it. Where no row has the hash, Better Auth asks for the
 * identifier itself, so no identifier may begin with `hashed:`; else a reader of the table could redeem a row.
 */
export const createIdentifierHash = (keys: Keys) => async (identifier: string) => {
  const purpose = purposeOf(identifier)
  if (purpose === null) return 'none'
  const hash = createHmac('sha256', keys.verification(purpose)).update(identifier)
  return `${storedPrefix(purpose)}${hash.digest('base64url')}`
}
