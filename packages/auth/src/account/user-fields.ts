/**
 * A host's own fields of a user. Each field is a column of the table `User` with the field's name. What a
 * customer sends is checked by the field's schema, at the sign-up and at each change.
 *
 * A field that may be left out has a value for every user: its default, or null. Any other field is required:
 * nobody signs up by password without it. A user who comes in another way may lack it; see `missing`.
 *
 * @module
 */

import * as z from 'zod'
import { AuthError } from '../errors.ts'
import { canonicalLocale, localeFor } from './locales.ts'
import { columnOf, type FieldColumn, fallbackOf } from './user-field-columns.ts'

/** What a provider says of its user. */
export interface ProviderProfile {
  /** The provider's id, such as `google`. */
  provider: string
  /** The claims of the id token, or the provider's answer about the user, as they came. */
  claims: Readonly<Record<string, unknown>>
}

/** A field of a user with more than its schema. */
export interface UserField<Schema extends z.ZodType = z.ZodType> {
  /** Checks the value. */
  schema: Schema
  /** Whether a customer may set the field, at the sign-up and by `/update-user`. Default true. */
  input?: boolean
  /** Whether browsers get the field with the user. `getUser` returns it in any case. Default true. */
  returned?: boolean
  /**
   * Takes the value from a provider's profile when a user first comes by the provider. A value that does not
   * fit the schema counts as missing. Default: no value.
   */
  fromProfile?(profile: ProviderProfile): unknown
}

/** A host's own fields by name: a schema of zod, or a schema with more about the field. */
export type UserFields = Readonly<Record<string, z.ZodType | UserField>>

/** A stored value: a field that was left out is null. */
type Stored<Value> = undefined extends Value ? Exclude<Value, undefined> | null : Value

/** The value of one field, as `getUser` returns it. */
type ValueOf<Field> = Field extends z.ZodType
  ? Stored<z.output<Field>>
  : Field extends { schema: infer Schema extends z.ZodType }
    ? Stored<z.output<Schema>>
    : never

/** The values of a host's own fields, as `getUser` returns them. */
export type UserFieldValues<Fields extends UserFields> = {
  [Name in keyof Fields as string extends Name ? never : Name]: ValueOf<Fields[Name]>
}

/** Columns by name. */
export type Row = Record<string, unknown>

/** The first value that does not fit. */
export interface FieldProblem {
  code: 'invalid_request' | 'field_not_allowed'
  message: string
}

/** A field as it is used here. */
interface Field extends Required<Pick<UserField, 'schema' | 'input' | 'returned'>> {
  fromProfile: UserField['fromProfile']
  column: FieldColumn
  /** The value of a user who has given none. Undefined: the field is required. */
  fallback: unknown
}

/** The fields of an instance. */
export interface OwnFields {
  /** Every field, with its column. `locale` is one of them. */
  readonly all: ReadonlyMap<string, Field>
  /** The names of the fields that a customer may set. */
  readonly settable: readonly string[]
  /** The columns of `User` that the host's plugins let a customer set. The plugins check them. */
  readonly ofPlugins: readonly string[]
  /** The languages of the host. Undefined: any. */
  readonly locales: readonly string[] | undefined
  /** The values of a user who has given none; null for a required field. */
  blank(): Row
  /** The values of a sign-up: every field that a customer may set. */
  ofSignUp(body: Row): { values: Row } | { problem: FieldProblem }
  /** The values of a change: the fields that the body names. */
  ofUpdate(body: Row): { values: Row } | { problem: FieldProblem }
  /**
   * The values for the user who proves an address: those of their own sign-up, and no value that another sign-up
   * brought. A field that only the host sets stays as it is.
   */
  ofProof(signUp: Row | undefined): Row
  /** The value as it is stored; undefined if it does not fit. */
  fitting(name: string, value: unknown): unknown
  /** The values in a row or a document of JSON, in the types of their columns. */
  read(row: Row): Row
  /** The names of the required fields that a row lacks. */
  missing(row: Row): string[]
}

/** The recipient of a mail, as far as its template may use it. */
export interface MailRecipient {
  /** The user's language; null: the host's default. */
  locale: string | null
  /** The values of the host's own fields. Empty for an address that is not proven. */
  recipient: Readonly<Row>
}

/**
 * What a mail to a user gets beside its props. A stranger may have chosen the values of a user whose address is
 * not proven, so that mail gets the locale only.
 */
export function recipientOf(
  own: OwnFields,
  user: { emailVerified: boolean; locale: string | null },
): MailRecipient {
  const { locale, ...fields } = own.read({ ...user })
  return { locale: locale as string | null, recipient: user.emailVerified ? fields : {} }
}

/** The fields that the table and the endpoints have themselves. */
export const TAKEN_FIELDS: ReadonlySet<string> = new Set([
  ...['id', 'name', 'email', 'emailVerified', 'image', 'role', 'locale', 'createdAt', 'updatedAt'],
  ...['twoFactorEnabled', 'accessEndedAt', 'accessEndedBy', 'deletionDueAt', 'deletion'],
  ...['password', 'newPassword', 'currentPassword', 'callbackURL', 'rememberMe', 'next', 'token'],
  ...['provider', 'oauth_query', 'error', 'constructor', 'prototype', 'toString', 'valueOf'],
])

const invalid = (message: string) => new AuthError('invalid_options', message)

/** Makes the fields. @throws `invalid_options` for a name, a schema or a locale that cannot be used */
export function createUserFields(
  given: UserFields = {},
  locales?: readonly string[],
  ofPlugins: readonly string[] = [],
): OwnFields {
  for (const locale of locales ?? []) {
    if (canonicalLocale(locale) !== locale) {
      throw invalid(`createAuth: locales has ${JSON.stringify(locale)}. Give tags such as de-AT.`)
    }
  }
  if (locales?.length === 0) throw invalid('createAuth: locales is empty. Name a language.')
  const all = new Map<string, Field>([['locale', localeField(locales)]])
  for (const [name, field] of Object.entries(given)) all.set(name, fieldOf(name, field))
  const settable = [...all].filter(([, { input }]) => input).map(([name]) => name)

  const parse = (name: string, value: unknown): { value: unknown } | { problem: FieldProblem } => {
    const { data, error } = (all.get(name) as Field).schema.safeParse(value)
    if (!error) return { value: data ?? none(all.get(name) as Field) }
    const [issue] = error.issues
    const at = ['body', name, ...(issue?.path ?? []).map(String)].join('.')
    return { problem: { code: 'invalid_request', message: `[${at}] ${issue?.message}` } }
  }

  function parseAll(names: readonly string[], body: Row) {
    for (const [name, { input }] of all) {
      if (!input && body[name] !== undefined) return { problem: notAllowed(name) }
    }
    const values: Row = {}
    for (const name of names) {
      const parsed = parse(name, body[name])
      if ('problem' in parsed) return parsed
      values[name] = parsed.value
    }
    return { values }
  }

  return {
    all,
    settable,
    ofPlugins,
    locales,
    blank: () =>
      Object.fromEntries([...all].map(([name, { fallback }]) => [name, fallback ?? null])),
    ofSignUp: (body) => parseAll(settable, body),
    ofUpdate: (body) => {
      const named = settable.filter((name) => body[name] !== undefined)
      return parseAll(named, body)
    },
    ofProof: (signUp = {}) => ({
      ...Object.fromEntries(ofPlugins.map((name) => [name, signUp[name] ?? null])),
      ...Object.fromEntries(
        [...all].flatMap(([name, field]) => {
          const { column, fallback, input, fromProfile } = field
          if (signUp[name] !== undefined) return [[name, column.read(signUp[name]) ?? none(field)]]
          return input || fromProfile ? [[name, fallback ?? null]] : []
        }),
      ),
    }),
    fitting(name, value) {
      if (value === undefined || value === null) return undefined
      const parsed = parse(name, value)
      return 'value' in parsed ? parsed.value : undefined
    },
    read: (row) =>
      Object.fromEntries(
        [...all].map(([name, { column, fallback }]) => [
          name,
          column.read(row[name]) ?? fallback ?? null,
        ]),
      ),
    missing: (row) =>
      [...all].flatMap(([name, { fallback }]) =>
        fallback === undefined && (row[name] ?? null) === null ? [name] : [],
      ),
  }
}

/** The stored value for nothing: Prisma knows no null in a column of lists. */
const none = ({ column }: Pick<Field, 'column'>): unknown =>
  column.type.endsWith('[]') ? [] : null

const notAllowed = (name: string): FieldProblem => ({
  code: 'field_not_allowed',
  message: `${name} cannot be set here.`,
})

/** The field `locale`, which every instance has. */
function localeField(locales: readonly string[] | undefined): Field {
  const schema = z
    .string()
    .transform((text, ctx) => {
      const locale = localeFor(text, locales)
      if (locale !== null) return locale
      const names = locales ? `one of ${locales.join(', ')}` : 'a language tag such as de-AT'
      ctx.addIssue({ code: 'custom', message: `Invalid locale: expected ${names}` })
      return z.NEVER
    })
    .nullish()
  const column = columnOf(z.string().nullable()) as FieldColumn
  return { schema, input: true, returned: true, fromProfile: undefined, column, fallback: null }
}

function fieldOf(name: string, given: z.ZodType | UserField): Field {
  const at = `user.fields.${name}`
  if (!/^[a-z][A-Za-z0-9]{0,49}$/.test(name)) {
    throw invalid(
      `createAuth: ${at} is not a name of a column. Use letters and digits, as in companyName.`,
    )
  }
  if (TAKEN_FIELDS.has(name))
    throw invalid(`createAuth: ${at} has a name that auth uses. Choose another name.`)
  const {
    schema,
    input = true,
    returned = true,
    fromProfile,
  } = isSchema(given) ? ({ schema: given } as UserField) : given
  const column = columnOf(schema)
  if (column === null) {
    throw invalid(
      `createAuth: ${at} has a schema whose values fit no column. Use a string, a number, a boolean, a date, an enum or a list of strings or numbers, or make a table of your own.`,
    )
  }
  const isList = column.type.endsWith('[]')
  const fallback = isList ? (fallbackOf(schema) ?? []) : fallbackOf(schema)
  return { schema, input, returned, fromProfile, column, fallback }
}

/** Whether a value is a schema of zod 4, of this or another copy of zod. */
export const isSchema = (value: unknown): value is z.ZodType =>
  typeof value === 'object' && value !== null && '_zod' in value
