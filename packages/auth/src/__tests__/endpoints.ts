import type { TestAuth } from '../testing.ts'

interface Endpoint {
  path?: string
  options?: { method?: string | string[]; metadata?: { SERVER_ONLY?: boolean } }
}

/** All that Better Auth and our plugins answer over HTTP, as it is now, with `:id` and the like. */
export function answered(auth: TestAuth): { path: string; method: string }[] {
  return Object.values(auth.api as unknown as Record<string, Endpoint>).flatMap(
    ({ path, options }) => {
      if (!path || options?.metadata?.SERVER_ONLY) return []
      return [options?.method ?? 'GET'].flat().map((method) => ({ path, method }))
    },
  )
}

/** Those that are no GET, with GitHub for `:id`. */
export const changing = (auth: TestAuth) =>
  answered(auth)
    .filter(({ method }) => method !== 'GET')
    .map(({ path, method }) => ({ path: path.replace(/:\w+/g, 'github'), method }))

/** A field of an endpoint, as its schema names it. */
export interface Field {
  path: string
  method: string
  name: string
  place: 'body' | 'query' | 'path'
  /** All fields of the endpoint in the same place. */
  others: string[]
  /** The schema names nothing, and `others` are a guess. */
  isUnnamed: boolean
}

interface Schema {
  shape?: object
  _def?: {
    innerType?: Schema
    options?: Schema[]
    left?: Schema
    right?: Schema
    in?: Schema
    getter?: () => Schema
  }
}

/** The names in a schema of zod, through whatever wraps it. */
function namesIn(schema: Schema | undefined): string[] {
  if (!schema) return []
  if (schema.shape) return Object.keys(schema.shape)
  const { innerType, options = [], left, right, in: input, getter } = schema._def ?? {}
  const inner = [innerType, ...options, left, right, input, getter?.()]
  return [...new Set(inner.flatMap(namesIn))]
}

/** What may be read where a schema names nothing. */
const UNNAMED = ['token', 'code', 'state', 'id', 'oauth_query']

/** Every field of every endpoint that answers over HTTP, by its schema; one for all where it has none. */
export function endpointsOf(auth: TestAuth): Field[] {
  const endpoints = Object.values(auth.api as unknown as Record<string, Endpoint>)
  return endpoints.flatMap(({ path, options }) => {
    if (!path || options?.metadata?.SERVER_ONLY) return []
    const { body, query } = options as { body?: Schema; query?: Schema }
    const fieldsOf = (method: string, place: Field['place'], names: string[]): Field[] =>
      names.length > 0
        ? names.map((name) => ({ path, method, name, place, others: names, isUnnamed: false }))
        : [{ path, method, name: 'token', place, others: UNNAMED, isUnnamed: true }]
    const inPath = path.match(/:\w+/g)
    return [options?.method ?? 'GET']
      .flat()
      .flatMap((method) => [
        ...(inPath ? fieldsOf(method, 'path', inPath) : []),
        ...fieldsOf(method, 'query', namesIn(query)),
        ...(method === 'GET' ? [] : fieldsOf(method, 'body', namesIn(body))),
      ])
  })
}
