/**
 * One schema for the host and for Tollgate: the host's. Tollgate's models go beside the host's, its `User` gets the
 * fields that it lacks, and its migrations get one with Tollgate's tables. `@repo/db` then generates its client from that
 * schema and applies those migrations.
 *
 * @module
 */

import { posix } from 'node:path'
import type { Checkout } from '../checkout.ts'
import { CreateError } from '../errors.ts'
import { cutExtras, extrasOf } from '../extras.ts'
import { plainLines, textFile, textOf } from '../files.ts'
import type { Host } from '../host.ts'
import { type Layout, type Placed, renamerOf } from '../place.ts'
import type { Draft } from '../plan.ts'
import type { Receipt } from '../receipt.ts'
import { blockPath, isBlock, keepingLines, withBlock } from './block.ts'
import { conflictsBetween, SHARED } from './conflicts.ts'
import { settingOf } from './decide.ts'
import { filesOf, type HostSchema, migrationsOf } from './locate.ts'
import { ourMigrations, placeMigrations } from './migration.ts'
import { type Datamodel, datamodelOf, type SchemaFile } from './prisma.ts'
import { modelIn, withoutBlocks } from './scan.ts'
import { editUser, type UserEdits, wantedUser } from './user.ts'

/** The schema that was merged, as the receipt keeps it. */
export interface MergedSchema extends HostSchema {
  /** What was written into the host's `User`. */
  user: UserEdits
  /** The migrations of the checkout that the first migration stands for. */
  included: string[]
}

/** The packages' models, without generators and datasource. */
function ourModels(checkout: Checkout, layout: Layout): SchemaFile[] {
  const rename = renamerOf(checkout, layout)
  const known = extrasOf(checkout)
  const files = checkout.parts.get('db')?.files ?? []
  return files
    .filter((path) => /^prisma\/schema\/(?!schema\.prisma$)[\w-]+\.prisma$/.test(path))
    .flatMap((path) => {
      const file = checkout.read(path)
      const text = file && cutExtras(textOf(file) ?? '', known, layout.without, path)
      return text === null ? [] : [[path, rename(text)] as const]
    })
}

/** What the merge adds to a plan. */
export interface SchemaPlan {
  /** Tollgate's models and migrations, by their paths in the host. */
  files: Map<string, Placed>
  merged: MergedSchema
  /** The host's file with `User`, and its new text. Null: the host has no `User`. */
  user: { path: string; text: string } | null
}

/**
 * Plans the merge of the checkout's models into the host's schema. `receipt` is that of an earlier merge. @throws
 * `invalid_schema`, `schema_conflict`
 */
export function planSchema(
  checkout: Checkout,
  host: Host,
  layout: Layout,
  schema: HostSchema,
  receipt: Receipt | null,
): SchemaPlan {
  const earlier = receipt?.schema ?? null
  const isOurs = (path: string) => receipt?.files[path] !== undefined
  const texts = filesOf(host, schema).filter(([path]) => !isOurs(path))
  const own = texts.map(
    ([path, text]) => [path, isOurs(blockPath(path)) ? withBlock(text, null) : text] as const,
  )
  const ours = ourModels(checkout, layout)
  const model = earlier
    ? null
    : { theirs: datamodelOf(own), ours: datamodelOf([...ours, DATASOURCE]) }
  if (model) requireNoConflict(host, schema, model)
  const userFile = own.find(([, text]) => modelIn(text, SHARED))
  const wanted = wantedUser(ours)
  const recorded = earlier?.user ?? { fields: {}, tenancy: null }
  const whole = texts.find(([path]) => path === userFile?.[0])
  const edited = whole ? editUser(whole[1], wanted, recorded) : null
  const models = ours.map(
    ([path, text]) =>
      [
        path,
        userFile
          ? withoutBlocks(text, ({ kind, name }) => kind === 'model' && name === SHARED)
          : text,
      ] as const,
  )
  const files = new Map<string, Placed>()
  for (const [path, placed] of placeModels(schema, models)) files.set(path, placed)
  const columns = userFile && model ? missingColumns(model) : null
  const migrations = placeMigrations(checkout, host, schema, receipt, columns)
  for (const [path, placed] of migrations) files.set(path, placed)
  return {
    files,
    merged: {
      ...schema,
      user: edited?.edits ?? recorded,
      included: earlier?.included ?? ourMigrations(checkout),
    },
    user: whole && edited ? { path: whole[0], text: edited.text } : null,
  }
}

/** What both schemas mean, before they are one. */
interface Models {
  theirs: Datamodel
  ours: Datamodel
}

function requireNoConflict(host: Host, schema: HostSchema, { theirs, ours }: Models): void {
  const conflicts = conflictsBetween(theirs, ours)
  if (settingOf(host, schema, 'relationMode') === 'prisma') {
    conflicts.push('The datasource has relationMode = "prisma", and Tollgate needs foreign keys.')
  }
  if (settingOf(host, schema, 'schemas') !== null) {
    conflicts.push('The datasource lists schemas, and Tollgate has its tables in "public" alone.')
  }
  const isMigrated = migrationsOf(host, schema).some((name) => {
    const file = host.read(`${schema.migrations}/${name}/migration.sql`)
    return /CREATE TABLE (IF NOT EXISTS )?("public"\.)?"User"/.test((file && textOf(file)) ?? '')
  })
  if (theirs.models.some(({ name }) => name === SHARED) && !isMigrated) {
    conflicts.push(
      `No migration in ${schema.migrations} creates "User". Make one first with prisma migrate dev --name init, or make a baseline of the database that you have.`,
    )
  }
  if (conflicts.length === 0) return
  throw new CreateError(
    'schema_conflict',
    `${schema.path} and Tollgate's models do not fit together, and nothing was changed:\n` +
      `${conflicts.map((each) => `  - ${each}`).join('\n')}\n` +
      'Change these and run the command again. Or add --schema own: your schema is left alone, and Tollgate has a database of its own.',
  )
}

const DATASOURCE: SchemaFile = [
  'datasource.prisma',
  'datasource db {\n  provider = "postgresql"\n}\n',
]

/** The columns that the host's `User` lacks. */
function missingColumns({ theirs, ours }: Models): string[] {
  const fieldsOf = ({ models }: Datamodel) =>
    models.find(({ name }) => name === SHARED)?.fields ?? []
  const has = new Set(fieldsOf(theirs).map(({ name }) => name))
  return fieldsOf(ours).flatMap(({ name, kind }) =>
    kind === 'object' || has.has(name) ? [] : [name],
  )
}

/** The models in their places: files of their own in a folder, or one block in a file. */
function placeModels(schema: HostSchema, models: readonly SchemaFile[]): [string, Placed][] {
  if (schema.isFolder) {
    return models.map(([source, text]) => [
      `${schema.path}/tollgate/${posix.basename(source)}`,
      { source, file: textFile(text) },
    ])
  }
  const text = models.map(([, each]) => each.trim()).join('\n\n')
  const [source = ''] = models[0] ?? []
  return [[blockPath(schema.path), { source, file: textFile(`${text}\n`) }]]
}

/** Whether a path is that of Tollgate's models in the host. */
export const isModels = ({ path: schema }: Pick<HostSchema, 'path'>, path: string): boolean =>
  path === blockPath(schema) || path.startsWith(`${schema}/tollgate/`)

/** Writes the host's `User` into a draft. */
export function draftUser(draft: Draft, host: Host, user: SchemaPlan['user']): void {
  if (!user) return
  const file = host.read(user.path)
  const text = file && textOf(file)
  if (typeof text === 'string')
    draft.edit(
      user.path,
      keepingLines(text, () => user.text),
    )
}

/** Refuses a draft after which Prisma could not read the host's schema. @throws `invalid_schema` */
export function requireValid(draft: Draft, host: Host, schema: HostSchema): void {
  // What waits for a person is not whole yet.
  if (draft.conflicts.some((path) => isModels(schema, path))) return
  const texts = new Map(filesOf(host, schema))
  for (const [path, { after }] of draft.changes) {
    const text = after && plainLines(textOf(after) ?? '').replace(/^\uFEFF/, '')
    if (isBlock(path)) continue
    if (text !== null && (texts.has(path) || isModels(schema, path))) texts.set(path, text)
    if (text === null) texts.delete(path)
  }
  const block = draft.changes.get(blockPath(schema.path))
  if (block) {
    const whole = texts.get(schema.path) ?? ''
    texts.set(schema.path, withBlock(whole, block.after && textOf(block.after)))
  }
  datamodelOf([...texts])
}
