/** What the running handler answers and takes: endpoints with the fields of their own schemas, at any depth. */

import { z } from 'zod'
import type { TestAuth } from '../testing.ts'

/** The way to a field: `['idToken', 'token']`. */
export type FieldPath = readonly string[]

export interface Shape {
  /** With a name of `params` for each `:id` and the like. */
  path: string
  method: string
  /** Content types that the endpoint takes; JSON alone where it says nothing. */
  types: readonly string[]
  body: readonly FieldPath[]
  query: readonly FieldPath[]
  /** The value of a field that its schema takes, as far as the schema says. */
  valid(field: FieldPath): unknown
}

interface Schema {
  type?: string | string[]
  properties?: Record<string, Schema>
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
  items?: Schema
  enum?: unknown[]
  const?: unknown
  format?: string
}

interface Endpoint {
  path?: string
  options?: {
    method?: string | string[]
    metadata?: { SERVER_ONLY?: boolean; allowedMediaTypes?: string[] }
    body?: z.ZodType
    query?: z.ZodType
  }
}

/** Hooks read the first whatever the endpoint; nobody knows the second. */
const EVERYWHERE = ['oauth_query', 'unheardOf']

/** Of endpoints whose schemas take anything. */
const MORE: Record<string, string[]> = {
  '/update-user': ['name', 'image', 'email', 'role', 'id', 'emailVerified', 'twoFactorEnabled'],
  '/update-session': ['activeOrganizationId', 'aal', 'token', 'userId', 'expiresAt'],
  '/sign-up/email': ['role', 'id', 'emailVerified'],
}

const jsonSchema = (schema: z.ZodType | undefined): Schema =>
  schema ? (z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input' }) as Schema) : {}

function* fieldsOf(schema: Schema, at: FieldPath = []): Generator<[FieldPath, Schema]> {
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    yield [[...at, name], inner]
    yield* fieldsOf(inner, [...at, name])
  }
  for (const branch of [schema.anyOf, schema.oneOf, schema.allOf].flat()) {
    if (branch) yield* fieldsOf(branch, at)
  }
}

function sample(schema: Schema): unknown {
  if ('const' in schema) return schema.const
  if (schema.enum) return schema.enum[0]
  const branch = (schema.anyOf ?? schema.oneOf)?.[0]
  if (branch) return sample(branch)
  switch ([schema.type].flat()[0]) {
    case 'string':
      return { email: 'ada@example.com', uri: 'https://example.com/' }[schema.format ?? ''] ?? 'x1'
    case 'number':
    case 'integer':
      return 1
    case 'boolean':
      return true
    case 'array':
      return [sample(schema.items ?? {})]
    case 'object':
      return {}
    default:
      return 'x1'
  }
}

/** Every endpoint that is answered over HTTP. `name` takes the place of `:id` and the like. */
export function shapesOf(auth: TestAuth, name: string): Shape[] {
  return Object.values(auth.api as unknown as Record<string, Endpoint>).flatMap(
    ({ path, options = {} }) => {
      if (!path || options.metadata?.SERVER_ONLY) return []
      const body = new Map(
        [...fieldsOf(jsonSchema(options.body))].map((each) => [each[0].join('.'), each]),
      )
      const query = new Map(
        [...fieldsOf(jsonSchema(options.query))].map((each) => [each[0].join('.'), each]),
      )
      const known = new Map([...query, ...body])
      const more = [...EVERYWHERE, ...(MORE[path] ?? [])].map((field) => [field])
      const pathsOf = (fields: typeof body): FieldPath[] => {
        const named = [...fields.values()].map(([field]) => field)
        return [...named, ...more.filter(([field]) => !fields.has(field as string))]
      }
      return [options.method ?? 'GET'].flat().map((method) => ({
        path: path.replace(/:\w+/g, name),
        method,
        types: options.metadata?.allowedMediaTypes ?? ['application/json'],
        body: method === 'GET' ? [] : pathsOf(body),
        query: pathsOf(query),
        valid: (field) => sample(known.get(field.join('.'))?.[1] ?? {}),
      }))
    },
  )
}

/** An object with the value at the end of the way: `{ idToken: { token: value } }`. */
export const nested = (field: FieldPath, value: unknown): unknown =>
  field.reduceRight((inner, name) => ({ [name]: inner }), value)
