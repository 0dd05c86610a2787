/**
 * Finds the Prisma schemas of a host and their migrations, as Prisma does: by `prisma.config.ts`, by the member `prisma`
 * of `package.json`, or in the usual places. No code of the host runs.
 *
 * @module
 */

import { existsSync, readdirSync, statSync } from 'node:fs'
import { join, posix } from 'node:path'
import { CreateError } from '../errors.ts'
import { plainLines, textOf } from '../files.ts'
import type { Host } from '../host.ts'
import type { SchemaFile } from './prisma.ts'
import { blocksIn } from './scan.ts'

/** A Prisma schema of the host. */
export interface HostSchema {
  /** The path of the file, or of the folder. */
  path: string
  isFolder: boolean
  /** The folder of the package whose schema it is; empty for the root. */
  package: string
  /** The path of the folder with the migrations, which may not exist yet. */
  migrations: string
}

const CONFIGS = ['ts', 'mts', 'cts', 'js', 'mjs', 'cjs'].flatMap((end) => [
  `prisma.config.${end}`,
  `.config/prisma.${end}`,
])
const USUAL = ['schema.prisma', 'prisma/schema.prisma', 'prisma/schema']

/** The Prisma schemas of the host's packages, without those in `ours`. @throws `invalid_host` */
export function findSchemas(host: Host, ours: readonly string[] = []): HostSchema[] {
  const folders = new Set(['', ...host.packages.map(({ folder }) => folder)])
  const found = [...folders]
    .filter((folder) => !ours.includes(folder))
    .flatMap((folder) => schemaOf(host, folder) ?? [])
  return [...new Map(found.map((each) => [each.path, each])).values()]
}

/** The schema at a path that a person names. @throws `usage` */
export function schemaAt(host: Host, named: string): HostSchema {
  const path = posix.normalize(named.replaceAll('\\', '/')).replace(/\/$/, '')
  if (path.startsWith('..') || !isSchema(host, path)) {
    throw new CreateError(
      'usage',
      `--schema ${named} is no Prisma schema of this repository. Use own, merge, or the path of a .prisma file or of a folder with such files.`,
    )
  }
  const owners = host.packages.filter(
    ({ folder }) => folder === '' || path.startsWith(`${folder}/`),
  )
  const owner = owners.sort((a, b) => b.folder.length - a.folder.length)[0]?.folder ?? ''
  return placed(host, owner, path, configOf(host, owner).migrations)
}

function schemaOf(host: Host, folder: string): HostSchema | null {
  const config = configOf(host, folder)
  if (config.schema !== undefined) {
    const path = posix.join(folder, config.schema)
    if (isSchema(host, path)) return placed(host, folder, path, config.migrations)
    throw new CreateError(
      'invalid_host',
      `${config.file} names the schema ${config.schema}, and there is no such file or folder. Correct it, or name the schema with --schema <path>.`,
    )
  }
  const path = USUAL.map((each) => posix.join(folder, each)).find((each) => isSchema(host, each))
  return path === undefined ? null : placed(host, folder, path, config.migrations)
}

interface Config {
  /** The file that says it. */
  file: string
  schema?: string | undefined
  migrations?: string | undefined
}

function configOf(host: Host, folder: string): Config {
  const file = CONFIGS.map((name) => posix.join(folder, name)).find((path) => host.read(path))
  if (file) {
    const code = textAt(host, file)
      .split('\n')
      .filter((line) => !/^(\/\/|\/\*|\*)/.test(line.trim()))
      .map((line) => line.split(' // ')[0])
      .join('\n')
    const migrations = /\bmigrations\s*:\s*\{([^}]*)\}/.exec(code)?.[1] ?? ''
    const path = pathIn(code, SCHEMA)
    if (path === undefined && /\bschema\s*:/.test(code)) {
      throw new CreateError(
        'invalid_host',
        `${file} says in a form that a command cannot read where the schema is. Name it with --schema <path>, or leave it alone with --schema own.`,
      )
    }
    if (path !== undefined) {
      return { file, schema: path, migrations: pathIn(migrations, PATH) }
    }
    return { file, migrations: pathIn(migrations, PATH) }
  }
  const manifest = posix.join(folder, 'package.json')
  const json = host.read(manifest)
  const { prisma } = (json ? JSON.parse(textAt(host, manifest)) : {}) as {
    prisma?: { schema?: unknown }
  }
  return typeof prisma?.schema === 'string'
    ? { file: manifest, schema: prisma.schema }
    : { file: manifest }
}

const SCHEMA = /\bschema\s*:\s*(['"`][^'"`\n]+['"`]|[\w.]*join\([^)]*\))/
const PATH = /\bpath\s*:\s*(['"`][^'"`\n]+['"`]|[\w.]*join\([^)]*\))/

/** A path in code: a text, or a call of `path.join` with texts. Undefined: there is none, or Prisma evaluates it. */
function pathIn(code: string, pattern: RegExp): string | undefined {
  const value = pattern.exec(code)?.[1] ?? ''
  const call = value.indexOf('(')
  const given = call < 0 ? [value] : value.slice(call + 1, -1).split(',')
  const texts = given.map((each) => each.trim()).filter((each) => !/^(__dirname)?$/.test(each))
  const isPlain = texts.every((text) => /^(['"`])[^'"`$]+\1$/.test(text))
  return texts.length > 0 && isPlain ? texts.map((text) => text.slice(1, -1)).join('/') : undefined
}

const textAt = (host: Host, path: string): string => {
  const file = host.read(path)
  return plainLines((file && textOf(file)) ?? '').replace(/^\uFEFF/, '')
}

const isFolder = (host: Host, path: string): boolean =>
  existsSync(join(host.folder, path)) && statSync(join(host.folder, path)).isDirectory()

function isSchema(host: Host, path: string): boolean {
  if (isFolder(host, path)) return namesIn(host, path).length > 0
  return path.endsWith('.prisma') && existsSync(join(host.folder, path))
}

const namesIn = (host: Host, path: string): string[] =>
  readdirSync(join(host.folder, path), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.prisma'))
    .map((name) => name.replaceAll('\\', '/'))
    .sort()

function placed(host: Host, folder: string, path: string, named: string | undefined): HostSchema {
  const schema = { path, isFolder: isFolder(host, path), package: folder }
  if (named !== undefined) return { ...schema, migrations: posix.join(folder, named) }
  const source = filesOf(host, schema).find(([, text]) =>
    blocksIn(text).some(({ kind }) => kind === 'datasource'),
  )
  const beside = posix.join(posix.dirname(source?.[0] ?? path), 'migrations')
  const above = posix.join(posix.dirname(path), 'migrations')
  const isAbove = !isFolder(host, beside) && isFolder(host, above)
  return { ...schema, migrations: isAbove ? above : beside }
}

/** The files of a schema, with the line ends of Unix. @throws `invalid_host` for a file that is not text */
export function filesOf(host: Host, schema: Pick<HostSchema, 'path' | 'isFolder'>): SchemaFile[] {
  const paths = schema.isFolder
    ? namesIn(host, schema.path).map((name) => `${schema.path}/${name}`)
    : [schema.path]
  return paths.map((path) => {
    const file = host.read(path)
    const text = file ? textOf(file) : ''
    if (text !== null) return [path, plainLines(text).replace(/^\uFEFF/, '')]
    throw new CreateError(
      'invalid_host',
      `${path} is not text in UTF-8. Save it as UTF-8 first; nothing was changed.`,
    )
  })
}

/** The names of the migrations, the oldest first. */
export function migrationsOf(host: Host, { migrations }: Pick<HostSchema, 'migrations'>): string[] {
  if (!isFolder(host, migrations)) return []
  return readdirSync(join(host.folder, migrations), { withFileTypes: true })
    .flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
    .sort()
}
