/**
 * Checks one user of an import. Promise: whatever a field holds, the answer is a row to write or the reason why not,
 * and a message never repeats a value, because the values are personal data.
 *
 * @module
 */

import { requireId } from '@repo/core'
import type { OwnFields, Row } from '../account/user-fields.ts'
import { accountEmail } from '../database/stand-in-address.ts'
import { isPictureURL } from '../pictures.ts'
import { hasArgon2, isAffordable } from '../sign-in/imported-hash.ts'
import { namedOr } from '../sign-in/linking.ts'
import { read } from '../sign-in/password.ts'

/** A user to import. */
export interface ImportedUser {
  /** The address. Two users never share one. */
  email: string
  /** The user's id in your old system, which is kept. Default: a new id. */
  id?: string | null
  /** Default: the part of the address before the @. */
  name?: string | null
  /** Whether the old system has proven the address. Default false. */
  emailVerified?: boolean | null
  /** When the user signed up. Used for a proven address only. Default: now. */
  createdAt?: Date | string | null
  /** The https address of a picture. */
  image?: string | null
  /**
   * A hash of bcrypt (`$2a$`, `$2b$`, `$2y$`), of scrypt (`$scrypt$…`, or `salt:key` in hex) or of argon2
   * (`$argon2id$…`, `$argon2i$…`, `$argon2d$…`). Default: no password; the user signs in in another way or resets it.
   */
  passwordHash?: string | null
  /** The accounts at other providers with which the user signs in. Default: none. */
  accounts?: readonly ImportedAccount[] | null
  /** `locale`, and the host's own fields. Each has to fit its schema. Default: as after a sign-up without it. */
  [ownField: string]: unknown
}

/** An account at GitHub, Google, Microsoft or an OpenID Connect provider. */
export interface ImportedAccount {
  /** The provider's id in the options of `createAuth`, such as `github`. */
  providerId: string
  /** The user's id at the provider. */
  accountId: string
}

/** Why a user was not imported. */
export type ImportRefusal =
  | 'unreadable_row'
  | 'extra_field'
  | 'invalid_email'
  | 'invalid_field'
  | 'unknown_hash'
  | 'hash_too_expensive'
  | 'argon2_missing'
  | 'unknown_provider'
  | 'repeated_in_import'
  | 'email_taken'
  | 'email_unproven'
  | 'account_taken'

/** A user in the form in which it is written. */
export interface UserRow {
  id: string | null
  email: string
  name: string
  emailVerified: boolean
  createdAt: Date | null
  image: string | null
  passwordHash: string | null
  accounts: readonly ImportedAccount[]
  /** The values of `locale` and of the host's own fields. */
  own: Row
}

/** Thrown for a user who is not imported. */
export class Refused extends Error {
  readonly reason: ImportRefusal

  constructor(reason: ImportRefusal, message: string) {
    super(message)
    this.reason = reason
  }
}

const FIELDS = {
  email: true,
  id: true,
  name: true,
  emailVerified: true,
  createdAt: true,
  image: true,
  passwordHash: true,
  accounts: true,
}

/** What a host can check and accept. */
export interface HostOfImport {
  /** The rounds of the host's own hashes. */
  rounds: number
  /** The ids of the providers that the host has. */
  providers: readonly string[]
  /** `locale` and the host's own fields. */
  fields: OwnFields
}

/** The most accounts of one user. */
const MOST_ACCOUNTS = 50

/** The row of a user. @throws `Refused` */
export function userRow(given: unknown, host: HostOfImport): UserRow {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new Refused('unreadable_row', 'A user must be an object with the field email.')
  }
  const names = [...Object.keys(FIELDS), ...host.fields.all.keys()]
  const unknown = Object.keys(given).filter((key) => !names.includes(key))
  if (unknown.length > 0) {
    const known = names.join(', ')
    throw new Refused(
      'extra_field',
      `The import knows the fields ${known}. Remove or rename the ${unknown.length} others.`,
    )
  }
  const user = given as { [field: string]: unknown }
  const email = typeof user.email === 'string' ? accountEmail(user.email) : null
  if (email === null) throw new Refused('invalid_email', 'email must be one e-mail address.')
  const emailVerified = user.emailVerified ?? false
  if (typeof emailVerified !== 'boolean') throw wrong('emailVerified', 'true or false')
  return {
    id: absent(user.id) ? null : idOf('id', user.id),
    email,
    name: namedOr(textOf('name', user.name) ?? '', email),
    emailVerified,
    createdAt: dateOf(user.createdAt),
    image: imageOf(user.image),
    passwordHash: hashOf(user.passwordHash, host),
    accounts: accountsOf(user.accounts, host),
    own: ownOf(user, host),
  }
}

/** The values of the host's own fields, as a sign-up would store them. */
function ownOf(user: Row, { fields }: HostOfImport): Row {
  const values = fields.blank()
  for (const name of fields.all.keys()) {
    if (absent(user[name])) continue
    const value = fields.fitting(name, user[name])
    if (value === undefined) throw wrong(name, 'a value that its schema accepts')
    values[name] = value
  }
  return values
}

const absent = (value: unknown): boolean => value === undefined || value === null || value === ''

const wrong = (field: string, give: string): Refused =>
  new Refused('invalid_field', `${field} must be ${give}.`)

function idOf(field: string, value: unknown): string {
  try {
    return requireId(field, value)
  } catch {
    throw wrong(field, 'a text of 1 to 255 characters')
  }
}

function textOf(field: string, value: unknown): string | null {
  if (absent(value)) return null
  if (typeof value !== 'string' || /\0|\p{Surrogate}/u.test(value)) throw wrong(field, 'a text')
  return value
}

/** A date and time. Without an offset it is taken as UTC. PostgreSQL writes a blank for the `T` and `+00` for the offset. */
const TIME =
  /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?) ?(Z|[+-]\d\d(?::?\d\d)?)?)?$/i

function dateOf(value: unknown): Date | null {
  if (absent(value)) return null
  const date = value instanceof Date ? value : parseTime(value)
  const isDate = date.getTime() >= 0 && date.getTime() <= Date.now()
  if (!isDate) throw wrong('createdAt', 'a past date and time, such as 2024-05-31T12:00:00Z')
  return date
}

function parseTime(value: unknown): Date {
  const [, day, time = '00:00', offset = 'Z'] =
    (typeof value === 'string' && TIME.exec(value)) || []
  // `Date` takes February 31 for March 2.
  const isDay = day !== undefined && new Date(`${day}T00:00Z`).toJSON()?.startsWith(day)
  if (!isDay) return new Date(Number.NaN)
  const [, hours, minutes] = /^([+-]\d\d):?(\d\d)?$/.exec(offset) ?? []
  return new Date(`${day}T${time}${hours ? `${hours}:${minutes ?? '00'}` : 'Z'}`)
}

function imageOf(value: unknown): string | null {
  const image = textOf('image', value)
  if (image !== null && !isPictureURL(image)) throw wrong('image', 'an https address')
  return image
}

function hashOf(value: unknown, { rounds }: HostOfImport): string | null {
  if (absent(value)) return null
  const stored = typeof value === 'string' && !value.startsWith('hs384:') ? read(value) : null
  if (typeof value !== 'string' || stored === null) {
    throw new Refused(
      'unknown_hash',
      'passwordHash must be a hash of bcrypt with 4 to 15 rounds, of scrypt or of argon2.',
    )
  }
  const isCheap =
    'imported' in stored ? isAffordable(stored.imported, rounds) : stored.rounds <= rounds
  if (!isCheap) {
    throw new Refused(
      'hash_too_expensive',
      `A check of passwordHash takes longer than bcrypt with ${rounds} rounds. Set bcryptRounds to a higher number, or ` +
        'leave the hash out; the user then resets the password.',
    )
  }
  if ('imported' in stored && stored.imported.kind === 'argon2' && !hasArgon2()) {
    throw new Refused(
      'argon2_missing',
      'Nothing here computes argon2. Run Node 24.7 or later, or install @node-rs/argon2.',
    )
  }
  return value
}

function accountsOf(value: unknown, { providers }: HostOfImport): ImportedAccount[] {
  if (absent(value)) return []
  if (!Array.isArray(value) || value.length > MOST_ACCOUNTS) {
    throw wrong('accounts', `a list of up to ${MOST_ACCOUNTS} accounts`)
  }
  const accounts = value.map((each: unknown) => {
    const { providerId, accountId } = (each ?? {}) as { [Key in keyof ImportedAccount]?: unknown }
    return {
      providerId: idOf('providerId', providerId),
      accountId: idOf('accountId', accountId),
    }
  })
  const unknown = accounts.find(({ providerId }) => !providers.includes(providerId))
  if (unknown) {
    const known = providers.length > 0 ? providers.join(', ') : 'none'
    throw new Refused(
      'unknown_provider',
      `A providerId is not a provider of this app (${known}). Set the provider up first, or leave its account out.`,
    )
  }
  if (new Set(accounts.map(keyOf)).size < accounts.length) {
    throw new Refused('repeated_in_import', 'accounts lists one account twice.')
  }
  return accounts
}

/** The key under which an account is compared with others. */
export const keyOf = ({ providerId, accountId }: ImportedAccount): string =>
  `${providerId}\n${accountId}`
