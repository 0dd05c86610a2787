/**
 * Checks JSON against what Stripe publishes of its objects: required members, types, enum values, and
 * no members that Stripe does not have. The facts are in `stripe-*.schema.json`, which
 * `scripts/stripe-schema.mjs` writes.
 *
 * @module
 */

import { readFileSync } from 'node:fs'
import { Ajv, type ValidateFunction } from 'ajv'
import { isNewShape } from '../stripe/server/shapes.ts'
import { NEW, OLD } from './versions.ts'

type Json = Record<string, unknown>

/**
 * Members that Stripe still sends and has taken out of its types: hosts of old versions of the SDK
 * read them, so the stand-in sends them, too.
 *
 * @see https://docs.stripe.com/changelog
 */
const STILL_SENT: Record<string, readonly string[]> = {
  charge: ['dispute'],
  subscription: ['plan', 'quantity'],
}

/** Values that Stripe sends to every version, though only the types of later ones name them. */
const LATER_VALUES = ['prevented']

type Find = (object: string) => ValidateFunction | undefined

// Compiling takes longer than most test files, so the validators are kept for all files of a process.
const COMPILED = Symbol.for('@repo/sandbox/validators')
const shared = globalThis as { [COMPILED]?: Map<string, Find> }
shared[COMPILED] ??= new Map()
const compiled = shared[COMPILED]

function validatorsOf(version: string): Find {
  const known = compiled.get(version)
  if (known) return known
  const file = new URL(`stripe-${version}.schema.json`, import.meta.url)
  const schema = JSON.parse(readFileSync(file, 'utf8')) as { $defs: Record<string, object> }
  for (const [object, members] of Object.entries(STILL_SENT)) {
    const { properties } = schema.$defs[object] as { properties: Json }
    for (const member of members) properties[member] ??= {}
  }
  const ajv = new Ajv({
    strict: false,
    allErrors: true,
    validateSchema: false,
    verbose: true,
    // Optimizing a validator's code takes as long as writing it, and a run calls each a few times.
    code: { optimize: false },
  })
  ajv.addSchema(schema, 'stripe')
  const find = (object: string) =>
    object in schema.$defs ? ajv.getSchema(`stripe#/$defs/${object}`) : undefined
  compiled.set(version, find)
  return find
}

/** What is wrong with an answer or a webhook in an API version, one line for each fault. */
export function faultsOf(body: unknown, version: string): string[] {
  const shape = isNewShape(version) ? NEW : OLD
  const value = body as Json
  if ('error' in value) return errorFaults(value)
  if (value.deleted === true) return []
  if (value.object === 'list' || value.object === 'search_result') {
    return (value.data as Json[]).flatMap((one) => faultsOf(one, version))
  }
  if (value.object === 'event') {
    const { object } = value.data as { object: Json }
    return faultsOf(object, version).map((line) => `${String(value.type)}: ${line}`)
  }
  const name = String(value.object)
  const validate = validatorsOf(shape)(name)
  if (validate === undefined) return [`${name}: there is no such object in ${shape}`]
  const checked = { ...value }
  // A preview of the old version is an invoice without an id.
  if (name === 'invoice' && !('id' in checked)) checked.id = 'upcoming'
  if (validate(checked)) return []
  return (validate.errors ?? [])
    .filter(({ keyword, data }) => keyword !== 'anyOf' && !LATER_VALUES.includes(String(data)))
    .map(({ instancePath, message, params }) => {
      const { additionalProperty, allowedValues } = params as Json
      const more = additionalProperty ?? (allowedValues ? JSON.stringify(allowedValues) : '')
      return `${shape} ${name}${instancePath} ${message} ${String(more)}`.trim()
    })
}

const TYPES = ['api_error', 'card_error', 'idempotency_error', 'invalid_request_error']

function errorFaults({ error }: Json): string[] {
  const { message, type } = error as Json
  if (typeof message === 'string' && TYPES.includes(String(type))) return []
  return [`error: ${String(type)} without a message or of a type that Stripe does not have`]
}
