/**
 * Prisma's own parser, validator and formatter, in WebAssembly. They are those of the version that the packages use, so
 * what they accept is what the packages' client can be generated from, whatever version of Prisma the host has.
 *
 * @module
 */

import { createRequire } from 'node:module'
import { CreateError } from '../errors.ts'
import { blocksIn } from './scan.ts'

/** A file of a schema: its path and its text. */
export type SchemaFile = readonly [path: string, text: string]

/** A field, as Prisma understands it. */
export interface Field {
  name: string
  kind: 'scalar' | 'object' | 'enum' | 'unsupported'
  type: string
  isList: boolean
  isRequired: boolean
  isUnique: boolean
  isId: boolean
  isUpdatedAt: boolean
  hasDefaultValue: boolean
  default?: unknown
  /** The column, if it has another name. */
  dbName?: string | null
  /** The type of the database, such as `['VarChar', ['200']]`. */
  nativeType?: [name: string, args: string[]] | null
  relationFromFields?: string[]
}

/** A model, as Prisma understands it. */
export interface Model {
  name: string
  /** The table, if it has another name. */
  dbName: string | null
  fields: Field[]
}

/** A schema, as Prisma understands it. */
export interface Datamodel {
  models: Model[]
  enums: { name: string; dbName: string | null }[]
  types: { name: string }[]
}

interface Wasm {
  format(schema: string, params: string): string
  get_dmmf(params: string): string
}

let loaded: Wasm | undefined
const wasm = (): Wasm => {
  loaded ??= createRequire(import.meta.url)('@prisma/prisma-schema-wasm') as Wasm
  return loaded
}

/** The features of a generator that decide which schemas are valid. */
const FEATURES = /"(views|partialIndexes|postgresqlExtensions|fullTextSearchPostgres)"/g
/** Prisma 7 takes addresses of databases from `prisma.config.ts`, and Prisma 6 from the schema. */
const ADDRESS = /^[ \t]*(url|directUrl|shadowDatabaseUrl)[ \t]*=.*$/gm

/** What a schema means. @throws `invalid_schema`, with Prisma's own message */
export function datamodelOf(files: readonly SchemaFile[]): Datamodel {
  const features = files.flatMap(([, text]) => [...text.matchAll(FEATURES)].map(([each]) => each))
  // The client of the packages is generated with a generator of its own.
  const generator = `generator client {\n  provider = "prisma-client"\n  output = "x"\n  previewFeatures = [${[...new Set(features)].join(', ')}]\n}\n`
  const prismaSchema = [
    ...files.map(([path, text]) => {
      return [path, withoutGenerators(text.replaceAll(ADDRESS, ''))]
    }),
    ['generator.prisma', generator],
  ]
  try {
    const dmmf = wasm().get_dmmf(JSON.stringify({ prismaSchema, noColor: true }))
    return (JSON.parse(dmmf) as { datamodel: Datamodel }).datamodel
  } catch (cause) {
    const paths = files.map(([path]) => path)
    throw new CreateError(
      'invalid_schema',
      `Prisma cannot read the schema ${paths.length > 3 ? `${paths[0]} and its ${paths.length - 1} other files` : paths.join(', ')}. ` +
        `Correct it first; nothing was changed.\n${messageOf(cause)}`,
      { cause },
    )
  }
}

/** The text with empty lines for its generators, so that messages name the right lines. */
function withoutGenerators(text: string): string {
  let rest = text
  for (const { kind, line, close } of blocksIn(text)) {
    if (kind !== 'generator') continue
    const lines = text.slice(line, close + 1).replaceAll(/[^\n]/g, ' ')
    rest = rest.slice(0, line) + lines + rest.slice(close + 1)
  }
  return rest
}

function messageOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause)
  try {
    return (JSON.parse(text) as { message: string }).message.trim()
  } catch {
    return text
  }
}

/** The text as Prisma formats it. Comments stay. */
export function formatted(text: string): string {
  const params = {
    textDocument: { uri: 'file:/schema.prisma' },
    options: { tabSize: 2, insertSpaces: true },
  }
  const files = wasm().format(JSON.stringify([['schema.prisma', text]]), JSON.stringify(params))
  return (JSON.parse(files) as [string, string][])[0]?.[1] ?? text
}
