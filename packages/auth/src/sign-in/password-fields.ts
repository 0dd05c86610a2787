/**
 * Finds the endpoints that ask for an account's password, from the schemas of the running endpoints. A new
 * endpoint is therefore rate limited and audited without being listed here.
 *
 * @module
 */

import * as z from 'zod'

/** Returns Better Auth's endpoints by name. */
export type Endpoints = () => Readonly<Record<string, unknown>>

/** The part of an endpoint that is read here. */
interface Endpoint {
  path?: string
  options?: {
    method?: string | string[]
    body?: unknown
    metadata?: { SERVER_ONLY?: boolean }
  }
}

/** The names of fields that may hold a password. */
const IS_PASSWORD = /passw|passphrase|passcode|pwd/i

/** Whether the field holds a new password. Every other password field can be used to guess one. */
const isNew = (path: string, field: string) => path === '/sign-up/email' || field === 'newPassword'

/** The endpoints that have a path, whether HTTP or server code calls them. */
export const withPath = (endpoints: Endpoints): Endpoint[] =>
  Object.values(endpoints() as Record<string, Endpoint>).filter(({ path }) => path !== undefined)

/** The names of all fields of a body at any depth, as dotted paths. */
export function fieldsOf(body: unknown): string[] {
  if (!(body instanceof Object) || !('_zod' in body)) return []
  const schema = z.toJSONSchema(body as z.ZodType, { unrepresentable: 'any', io: 'input' })
  return [...new Set(fieldsIn(schema))]
}

function fieldsIn(schema: z.core.JSONSchema._JSONSchema | undefined): string[] {
  if (!(schema instanceof Object)) return []
  const { properties = {}, allOf = [], anyOf = [], oneOf = [] } = schema
  return [
    ...Object.entries(properties).flatMap(([name, inner]) => [
      name,
      ...fieldsIn(inner).map((deeper) => `${name}.${deeper}`),
    ]),
    ...[...allOf, ...anyOf, ...oneOf].flatMap(fieldsIn),
  ]
}

/** The field in which an endpoint takes an account's present password. */
export interface PasswordField {
  /** The name of the field. */
  name: string
  /** Whether the field `email` names the account. If not, the account is the signed-in user's. */
  isByEmail: boolean
}

/**
 * Returns a function that finds an endpoint's password field; undefined if it has none. The schemas are read
 * at the first call.
 */
export function createPasswordFields(
  endpoints: Endpoints,
): (path: string) => PasswordField | undefined {
  let known: Map<string, PasswordField> | undefined
  return (path) => {
    known ??= new Map(
      withPath(endpoints).flatMap(({ path = '', options }) => {
        const fields = fieldsOf(options?.body)
        const name = fields.find((each) => IS_PASSWORD.test(each) && !isNew(path, each))
        if (name === undefined) return []
        return [[path, { name, isByEmail: fields.includes('email') }] as const]
      }),
    )
    return known.get(path)
  }
}
