/**
 * Which endpoints ask for the password of an account, read from the schemas of the endpoints that are there: one
 * that comes later is counted and audited without being named here.
 *
 * @module
 */

import { z } from 'zod'

/** Endpoints as Better Auth has them. */
export type Endpoints = () => Readonly<Record<string, unknown>>

interface Endpoint {
  path?: string
  options?: {
    method?: string | string[]
    body?: unknown
    metadata?: { SERVER_ONLY?: boolean }
  }
}

const IS_PASSWORD = /passw|passphrase|passcode|pwd/i

/** A new password guesses at none. Any other field with a password does. */
const isNew = (path: string, field: string) => path === '/sign-up/email' || field === 'newPassword'

/** The endpoints of `endpoints` that are reached over HTTP or by server code under a path. */
export const withPath = (endpoints: Endpoints): Endpoint[] =>
  Object.values(endpoints() as Record<string, Endpoint>).filter(({ path }) => path !== undefined)

/** The names of all fields of a body, at any depth, as dotted paths. */
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

/** How an endpoint asks for the present password of an account. */
export interface PasswordField {
  /** The field that holds it. */
  name: string
  /** Whether the field `email` says whose it is. Else it is that of the signed-in user. */
  isByEmail: boolean
}

/**
 * Says how an endpoint asks for a password; undefined where it asks for none. The schemas are read when first
 * asked.
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
