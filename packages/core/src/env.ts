/**
 * Reads configuration from the environment at first use and reports every problem in one error.
 *
 * @module
 */

import type { z } from 'zod'
import { TollgateError } from './errors.ts'

/** Environment variables by name, like `process.env`. */
export type Environment = Record<string, string | undefined>

/**
 * Parses the variables that `schema` names. An empty string counts as missing, as in a copied `.env.example`.
 *
 * @throws `invalid_environment`, one error that lists every missing or malformed variable and no values
 */
export function readEnv<Schema extends z.ZodObject>(
  schema: Schema,
  source: Environment = process.env,
): z.output<Schema> {
  const { data, lines } = parsed(schema, source)
  if (data !== undefined) return data
  throw incomplete(lines)
}

/**
 * Checks the variables of several schemas at once, for instance before a command starts its work.
 *
 * @throws `invalid_environment`, one error for all schemas
 */
export function requireEnv(
  schemas: readonly z.ZodObject[],
  source: Environment = process.env,
): void {
  const lines = schemas.flatMap((schema) => parsed(schema, source).lines)
  if (lines.length > 0) throw incomplete(lines)
}

function parsed<Schema extends z.ZodObject>(schema: Schema, source: Environment) {
  const values = Object.fromEntries(
    Object.keys(schema.shape).map((name) => [name, source[name] === '' ? undefined : source[name]]),
  )
  const result = schema.safeParse(values)
  if (result.success) return { data: result.data, lines: [] }
  const lines = result.error.issues.map((issue) => {
    const name = issue.path.join('.')
    return values[name] === undefined ? `  ${name} is missing` : `  ${name}: ${issue.message}`
  })
  return { data: undefined, lines }
}

const incomplete = (lines: string[]): TollgateError =>
  new TollgateError(
    'invalid_environment',
    500,
    `The environment is not complete (see .env.example):\n${[...new Set(lines)].join('\n')}`,
  )

/** Whether `NODE_ENV` is `production`. */
export const isProduction = (source: Environment = process.env): boolean =>
  source.NODE_ENV === 'production'
