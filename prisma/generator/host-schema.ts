/**
 * Where the schema and the migrations are. In this package, or, if its `package.json` has the member `tollgate`, in the
 * schema and the migrations of the host that it was copied into:
 *
 *     "tollgate": { "schema": "../../prisma/schema.prisma", "migrations": "../../prisma/migrations" }
 *
 * Then the client of this package is generated from the host's whole schema, by this package's own version of Prisma.
 */

import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The preview features of a host's generator that decide which schemas are valid. */
const FEATURES = /"(views|partialIndexes|postgresqlExtensions|fullTextSearchPostgres)"/g

/** Prisma 7 takes addresses of databases from `prisma.config.ts` alone. */
const ADDRESS = /^\s*(url|directUrl|shadowDatabaseUrl)\s*=/

/** The settings of `package.json` in `folder`. */
function settingsOf(folder: string): { schema?: string; migrations?: string } {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).tollgate ?? {}
}

/** The folder of the migrations. */
export function migrationsFolder(folder: string): string {
  return join(folder, settingsOf(folder).migrations ?? 'migrations')
}

/** The folder of the schema. The host's schema is written to a folder of its own, with this package's generators. */
export function schemaFolder(folder: string): string {
  const { schema } = settingsOf(folder)
  if (!schema) return join(folder, 'schema')
  const composed = join(folder, 'generated')
  rmSync(composed, { recursive: true, force: true })
  mkdirSync(composed, { recursive: true })
  let features: string[] = []
  for (const [n, text] of textsAt(join(folder, schema)).entries()) {
    features = features.concat(Array.from(text.matchAll(FEATURES), ([feature]) => feature))
    writeFileSync(join(composed, `host-${n}.prisma`), withoutGenerators(text))
  }
  const own = withoutBlocks(readFileSync(join(folder, 'schema/schema.prisma'), 'utf8'), [
    'datasource',
  ])
  const all = ['"relationJoins"', ...new Set(features)].join(', ')
  writeFileSync(join(composed, 'schema.prisma'), own.replace('["relationJoins"]', `[${all}]`))
  return composed
}

function textsAt(path: string): string[] {
  if (!statSync(path).isDirectory()) return [readFileSync(path, 'utf8')]
  const all = readdirSync(path, { recursive: true, encoding: 'utf8' })
  const names = all.filter((name) => name.endsWith('.prisma'))
  return names.sort().map((name) => readFileSync(join(path, name), 'utf8'))
}

const withoutGenerators = (text: string): string =>
  withoutBlocks(text, ['generator'])
    .split('\n')
    .filter((line) => !ADDRESS.test(line))
    .join('\n')

/** The text without the blocks of these kinds. A block ends at the first line that begins with its brace. */
function withoutBlocks(text: string, kinds: readonly string[]): string {
  let isInside = false
  return text
    .split('\n')
    .filter((line) => {
      if (!isInside) {
        isInside = kinds.some((kind) => new RegExp(`^\\s*${kind}\\s+\\w+\\s*\\{`).test(line))
        if (!isInside) return true
      }
      if (line.includes('}') && /^\s*(\}|\w+\s+\w+\s*\{.*\})/.test(line)) isInside = false
      return false
    })
    .join('\n')
}
