/**
 * Derives one key for each purpose from the auth secret. A value that was signed, hashed or encrypted for one
 * purpose cannot be checked with the key of another. So no cookie, link, code or signed query passes for a
 * value of another kind.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5869 (HKDF)
 * @module
 */

import { hkdfSync } from 'node:crypto'
import type { VerificationPurpose } from './purposes.ts'

/** The derived keys. Each is 64 hexadecimal digits, because Better Auth takes its secret as text. */
export interface Keys {
  /** Better Auth's own key, for encryption and for the signature of an OAuth authorization query. */
  betterAuth: string
  /** Signs the cookie of this name and no other. */
  cookie(name: string): string
  /** Hashes the identifiers of the verification rows of one purpose. */
  verification(purpose: VerificationPurpose): string
  /** Hashes the codes and tokens of the OAuth server. */
  oauthTokens: string
  /** Hashes the second factor's backup codes. */
  backupCodes: string
  /** Hashes the keys of rate limits. */
  rateLimit: string
  /** Hashes the e-mail addresses in the audit log. */
  audit: string
  /** Encrypts the mails in the queue. */
  mail: string
}

/** How many derived keys are kept in memory. */
const MOST_KEPT = 256

/** Derives the keys. `secret` has 32 characters or more. */
export function createKeys(secret: string): Keys {
  const derived = new Map<string, string>()
  const derive = (purpose: string): string => {
    const known = derived.get(purpose)
    if (known) return known
    // Callers choose the names of cookies, so the number of kept keys is limited.
    if (derived.size >= MOST_KEPT) derived.clear()
    const bytes = hkdfSync('sha256', secret, 'tollgate auth', purpose, 32)
    const key = Buffer.from(bytes).toString('hex')
    derived.set(purpose, key)
    return key
  }
  return {
    betterAuth: derive('better-auth'),
    cookie: (name) => derive(`cookie ${name}`),
    verification: (purpose) => derive(`verification ${purpose}`),
    oauthTokens: derive('oauth tokens'),
    backupCodes: derive('backup codes'),
    rateLimit: derive('rate limit'),
    audit: derive('audit'),
    mail: derive('mail'),
  }
}
