/**
 * Gives each verification row one purpose. Better Auth finds the rows of links, states, challenges and codes
 * by one column, and its endpoints look up any identifier that a caller sends. Here the stored identifier
 * names its purpose and holds a hash with that purpose's key. So a value for one purpose finds no row of
 * another, and a stored identifier cannot be looked up. The database enforces the form with CHECK
 * "VerificationToken_identifier_check".
 *
 * @module
 */

import { createHmac } from 'node:crypto'
import type { Keys } from './keys.ts'
import { PURPOSES, type VerificationPurpose } from './purposes.ts'

/**
 * The identifiers of Better Auth's passkey plugin. It is the only plugin whose identifiers have no prefix.
 */
const PASSKEY_CHALLENGE = /^[A-Za-z0-9_-]{32}$/

/** The purpose that an identifier names; null for an identifier that nothing here issues. */
export function purposeOf(identifier: string): VerificationPurpose | null {
  for (const [beginning, purpose] of Object.entries(PURPOSES)) {
    if (identifier.startsWith(beginning)) return purpose
  }
  return PASSKEY_CHALLENGE.test(identifier) ? 'passkey-challenge' : null
}

/** The prefix of one purpose's stored identifiers. */
export const storedPrefix = (purpose: VerificationPurpose): string => `hashed:${purpose}:`

/**
 * Better Auth's `storeIdentifier`. It returns `hashed:<purpose>:<HMAC-SHA-256, base64url>`, or `none` for an
 * identifier without a purpose, which the CHECK keeps out of the table. If no row has the hash, Better Auth
 * looks up the identifier itself. So no identifier may begin with `hashed:`, or else a reader of the table
 * could redeem a row.
 */
export const createIdentifierHash = (keys: Keys) => async (identifier: string) => {
  const purpose = purposeOf(identifier)
  if (purpose === null) return 'none'
  const hash = createHmac('sha256', keys.verification(purpose)).update(identifier)
  return `${storedPrefix(purpose)}${hash.digest('base64url')}`
}
