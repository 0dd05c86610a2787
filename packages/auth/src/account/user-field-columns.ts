/**
 * The column that a schema of zod needs: its type in PostgreSQL and in Prisma, and how its values are read.
 *
 * @module
 */

import type * as z from 'zod'

/** A column for the values of a schema. */
export interface FieldColumn {
  /** Better Auth's name of the type. */
  type: 'string' | 'number' | 'boolean' | 'date' | 'string[]' | 'number[]'
  /** Prisma's type. */
  prisma: string
  /** The types of PostgreSQL that hold the values, as `format_type` writes them; `enum` is any enum. */
  postgres: readonly string[]
  /** The value of a column or of JSON in its own type; null for null and undefined. */
  read(value: unknown): unknown
}

/** The part of zod's definitions that is read here. */
interface Definition {
  type: string
  entries?: Record<string, unknown>
  values?: unknown[]
  element?: z.ZodType
  innerType?: z.ZodType
  options?: z.ZodType[]
  out?: z.ZodType
  format?: string
  checks?: { _zod: { def: unknown } }[]
  in?: z.ZodType
  getter?: () => z.ZodType
}

const asIs = (value: unknown): unknown => value ?? null
const asDate = (value: unknown): unknown =>
  typeof value === 'string' ? new Date(value) : (value ?? null)
/** Prisma reads a column of the type Decimal as an object. */
const asNumber = (value: unknown): unknown =>
  value === null || value === undefined ? null : Number(value)

const TEXT: FieldColumn = {
  type: 'string',
  prisma: 'String',
  postgres: ['text', 'character varying', 'character', 'uuid', 'citext', 'enum'],
  read: asIs,
}
const FLOAT: FieldColumn = {
  type: 'number',
  prisma: 'Float',
  postgres: ['double precision', 'real', 'numeric'],
  read: asNumber,
}
const INT: FieldColumn = {
  type: 'number',
  prisma: 'Int',
  postgres: ['integer', 'smallint', 'double precision', 'numeric'],
  read: asNumber,
}
const BOOLEAN: FieldColumn = {
  type: 'boolean',
  prisma: 'Boolean',
  postgres: ['boolean'],
  read: asIs,
}
const DATE: FieldColumn = {
  type: 'date',
  prisma: 'DateTime',
  postgres: ['timestamp with time zone', 'timestamp without time zone', 'date'],
  read: asDate,
}

const listOf = (of: FieldColumn): FieldColumn | null =>
  of.type === 'string' || of.type === 'number'
    ? {
        type: of.type === 'string' ? 'string[]' : 'number[]',
        prisma: `${of.prisma}[]`,
        postgres: of.postgres.map((type) => `${type}[]`),
        read: asIs,
      }
    : null

/** The column for the values of a schema; null for values that fit no column. */
export function columnOf(schema: z.ZodType): FieldColumn | null {
  const def = schema._zod.def as unknown as Definition
  const inner = def.innerType ?? def.out
  switch (def.type) {
    case 'string':
    case 'template_literal':
      return TEXT
    case 'enum':
      return columnOfValues(Object.values(def.entries ?? {}))
    case 'literal':
      return columnOfValues(def.values ?? [])
    case 'number': {
      const checks = (def.checks ?? []).map((check) => check._zod.def as { format?: string })
      return [def, ...checks].some(({ format = '' }) => /int/.test(format)) ? INT : FLOAT
    }
    case 'boolean':
      return BOOLEAN
    case 'date':
      return DATE
    case 'array': {
      const element = def.element ? columnOf(def.element) : null
      return element && listOf(element)
    }
    case 'union':
      return same((def.options ?? []).filter((each) => each._zod.def.type !== 'null').map(columnOf))
    // The output of a transform is unknown, and most transforms tidy a value of the same type.
    case 'pipe':
      return (inner && columnOf(inner)) ?? (def.in ? columnOf(def.in) : null)
    case 'transform':
      return null
    default:
      return inner ? columnOf(inner) : null
  }
}

/** The one column that all of these are; null if they differ. */
function same(columns: readonly (FieldColumn | null)[]): FieldColumn | null {
  const [first = null, ...others] = columns
  return others.every((each) => each?.prisma === first?.prisma) ? first : null
}

function columnOfValues(values: readonly unknown[]): FieldColumn | null {
  const given = values.filter((value) => value !== null && value !== undefined)
  const types = new Set(given.map((value) => typeof value))
  if (types.size !== 1) return null
  if (types.has('string')) return TEXT
  if (types.has('boolean')) return BOOLEAN
  if (!types.has('number')) return null
  return given.every(Number.isInteger) ? INT : FLOAT
}

/**
 * The value of a user who has given none: the schema's default, or null if the value may be left out or may be
 * null. Undefined: the schema needs a value.
 */
export function fallbackOf(schema: z.ZodType): unknown {
  const left = schema.safeParse(undefined)
  if (left.success) return left.data ?? null
  const none = schema.safeParse(null)
  return none.success ? (none.data ?? null) : undefined
}

/** The line of the Prisma schema for a column. */
export function lineOf(name: string, column: FieldColumn, fallback: unknown): string {
  const { prisma } = column
  const of = `${name} ${prisma}`
  if (prisma.endsWith('[]')) return of
  if (fallback === undefined || fallback === null) return `${of}?`
  if (fallback instanceof Date) return `${of}?`
  return `${of} @default(${JSON.stringify(fallback)})`
}
