/**
 * The people who can sign in at the stand-ins. An account keeps its id at each provider across restarts, because
 * the id is made from the person's own.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { canonicalEmail } from '@repo/core'
import { SandboxError } from '../errors.ts'

/** An account of a person, which every provider has. */
export interface OAuthPerson {
  /** Names the account: the same text is the same account. */
  id: string
  /** The name in the profile. */
  name: string
  /** The e-mail address; null for an account without one, which Google does not have. */
  email: string | null
  /** Whether the provider vouches for the address. */
  emailVerified: boolean
  /**
   * The domain of the organization that the account belongs to: a Google Workspace (`hd`) or a Microsoft tenant.
   * Default: a private account.
   */
  organization?: string
}

/** The accounts that a stand-in begins with. */
export const PEOPLE: readonly OAuthPerson[] = [
  { id: 'ada', name: 'Ada Lovelace', email: 'ada@example.com', emailVerified: true },
  {
    id: 'grace',
    name: 'Grace Hopper',
    email: 'grace@acme.example',
    emailVerified: true,
    organization: 'acme.example',
  },
  // The attack on accounts that are linked by an address: a tenant's administrator wrote somebody else's into it.
  {
    id: 'mallory',
    name: 'Mallory',
    email: 'ada@example.com',
    emailVerified: false,
    organization: 'mallory.example',
  },
  { id: 'alan', name: 'Alan Turing', email: null, emailVerified: false },
]

/** The account that a form describes. @throws `invalid_body` for a name or an address that no account can have */
export function personFrom(fields: Record<string, string>): OAuthPerson {
  const name = (fields.name ?? '').trim()
  const typed = (fields.email ?? '').trim()
  // Providers take `Ada@…` and `ada@…` for one address.
  const email = typed === '' ? null : (canonicalEmail(typed)?.toLowerCase() ?? null)
  if (typed !== '' && email === null) {
    throw new SandboxError('invalid_body', 400, 'The e-mail address is malformed.')
  }
  if (name.length > 200) throw new SandboxError('invalid_body', 400, 'The name is too long.')
  if (email === null && name === '') {
    throw new SandboxError('invalid_body', 400, 'Type a name or an e-mail address.')
  }
  const emailVerified = email !== null && fields.verified !== undefined
  // Whoever only claims an address has another account than its owner.
  const id = email === null ? `name:${name}` : `${email}${emailVerified ? '' : ' (claimed)'}`
  return { id, name: name || (email ?? '').split('@')[0] || id, email, emailVerified }
}

/** A digest as hexadecimal digits, the same for the same texts. */
export const digestOf = (...texts: string[]): string =>
  createHash('sha256').update(JSON.stringify(texts)).digest('hex')

/** A UUID, the same for the same texts. */
export const uuidOf = (...texts: string[]): string => {
  const hex = digestOf(...texts)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** `length` decimal digits without a leading zero, the same for the same texts. */
export const digitsOf = (length: number, ...texts: string[]): string => {
  const digits = [...digestOf(...texts)].map((digit) => Number.parseInt(digit, 16) % 10).join('')
  return `1${digits}`.slice(0, length)
}
