/**
 * Reads from a schema which fields an object may have, and which of them may be lists.
 *
 * @module
 */

import type { z } from 'zod'

/** The part of zod's definitions that is read here. */
interface Definition {
  type: string
  shape?: Record<string, z.ZodType>
  catchall?: z.ZodType
  options?: z.ZodType[]
  left?: z.ZodType
  right?: z.ZodType
  innerType?: z.ZodType
  in?: z.ZodType
}

const definitionOf = (schema: z.ZodType): Definition => schema._zod.def as unknown as Definition

/** The alternatives within a schema, such as the members of a union; the schema itself if it has none. */
function partsOf(schema: z.ZodType): z.ZodType[] {
  const { options, left, right, innerType, in: input } = definitionOf(schema)
  const inner = [options, left, right, innerType, input].flat().filter((part) => part !== undefined)
  return inner.length > 0 ? inner.flatMap(partsOf) : [schema]
}

/** Whether the schema accepts fields that it does not name. */
export const isOpen = (schema: z.ZodType): boolean =>
  partsOf(schema).some((part) => {
    const { type, catchall } = definitionOf(part)
    return type !== 'object' || (catchall !== undefined && definitionOf(catchall).type !== 'never')
  })

/** The fields of a schema. `names` is null if it accepts any. */
interface Known {
  names: Set<string> | null
  lists: Set<string>
}

/**
 * The fields of schemas that were read before, because schemas do not change and every request needs them.
 */
const known = new WeakMap<z.ZodType, Known>()

function fieldsOf(schema: z.ZodType): Known {
  const present = known.get(schema)
  if (present) return present
  const fields = partsOf(schema).flatMap((part) => Object.entries(definitionOf(part).shape ?? {}))
  const takesList = ([, field]: [string, z.ZodType]) =>
    partsOf(field).some((part) => definitionOf(part).type === 'array')
  const found: Known = {
    names: isOpen(schema) ? null : new Set(fields.map(([name]) => name)),
    lists: new Set(fields.filter(takesList).map(([name]) => name)),
  }
  known.set(schema, found)
  return found
}

/** The names that a schema accepts; null if it accepts any. */
export const namesOf = (schema: z.ZodType): ReadonlySet<string> | null => fieldsOf(schema).names

/** The fields that may be lists. */
export const listsOf = (schema: z.ZodType | undefined): ReadonlySet<string> =>
  schema ? fieldsOf(schema).lists : new Set()
