/**
 * Prisma's schema engine in WebAssembly, which needs no download. It writes the SQL that brings a database in
 * line with the schema files. For development only.
 *
 * @module
 */

import { readdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PrismaPg } from '@prisma/adapter-pg'
import {
  bindMigrationAwareSqlAdapterFactory,
  type SqlDriverAdapter,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** The type "char" of the system catalogue, which adapter-pg cannot describe. */
const CHAR_OID = 18
const TEXT_OID = 25
const COLUMN_TYPE_CHARACTER = 6

interface SchemaFile {
  path: string
  content: string
}
interface Engine {
  diff(params: object): Promise<{ exitCode: number; stdout: string | null }>
  applyMigrations(params: object): Promise<{ appliedMigrationNames: string[] }>
  free?(): void
}
interface EngineModule {
  __wbg_set_wasm(exports: unknown): void
  SchemaEngine: {
    new: (
      options: { datamodels: [string, string][] },
      log: () => void,
      adapter: unknown,
    ) => Promise<Engine>
  }
}
/** `WebAssembly` is a global of Node, but only TypeScript's DOM library declares its types. */
interface WebAssemblyGlobal {
  instantiate(
    bytes: Uint8Array,
    imports: Record<string, unknown>,
  ): Promise<{ instance: { exports: { __wbindgen_start(): void } } }>
}

// One instance per process, also if this module is loaded anew: the generated code keeps it in a module-level
// variable.
const ENGINE = Symbol.for('@repo/db/schema-engine')
const shared = globalThis as { [ENGINE]?: Promise<EngineModule> }

async function loadEngine(): Promise<EngineModule> {
  let panic = ''
  Object.assign(globalThis, {
    PRISMA_WASM_PANIC_REGISTRY: {
      get: () => panic,
      set_message(message: string) {
        panic = message
      },
    },
  })
  const name = '@prisma/schema-engine-wasm/schema_engine_bg'
  const glue = (await import(name)) as EngineModule
  const folder = dirname(createRequire(import.meta.url).resolve(name))
  const bytes = await readFile(join(folder, 'schema_engine_bg.wasm'))
  const { WebAssembly } = globalThis as unknown as { WebAssembly: WebAssemblyGlobal }
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': glue })
  glue.__wbg_set_wasm(instance.exports)
  instance.exports.__wbindgen_start()
  return glue
}

interface RawResult {
  fields?: { dataTypeID: number }[]
}

/** Describes "char" columns of the catalogue as characters; without this every introspection fails. */
function readable(adapter: SqlDriverAdapter): SqlDriverAdapter {
  const open = adapter as SqlDriverAdapter & { performIO(query: unknown): Promise<RawResult> }
  const performIO = open.performIO.bind(open)
  const queryRaw = open.queryRaw.bind(open)
  let characters: number[] = []
  open.performIO = async (query) => {
    const result = await performIO(query)
    characters = []
    result.fields?.forEach((field, index) => {
      if (field.dataTypeID !== CHAR_OID) return
      characters.push(index)
      field.dataTypeID = TEXT_OID
    })
    return result
  }
  open.queryRaw = async (query) => {
    const result = await queryRaw(query)
    for (const index of characters) result.columnTypes[index] = COLUMN_TYPE_CHARACTER
    return result
  }
  return open
}

/** The schema of this package. */
const OWN_SCHEMA = join(ROOT, 'schema')

async function schemaFiles(folder: string): Promise<SchemaFile[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.prisma')).sort()
  return Promise.all(
    names.map(async (name) => ({
      path: `schema/${name}`,
      content: await readFile(join(folder, name), 'utf8'),
    })),
  )
}

async function withEngine<T>(
  url: string,
  work: (engine: Engine, files: SchemaFile[]) => Promise<T>,
  folder = OWN_SCHEMA,
): Promise<T> {
  shared[ENGINE] ??= loadEngine()
  const glue = await shared[ENGINE]
  const files = await schemaFiles(folder)
  const base = new PrismaPg({ connectionString: url, max: 1 })
  const open: SqlDriverAdapter[] = []
  const factory = Object.assign(Object.create(base) as SqlMigrationAwareDriverAdapterFactory, {
    async connect() {
      const adapter = readable(await base.connect())
      open.push(adapter)
      return adapter
    },
  })
  const engine = await glue.SchemaEngine.new(
    { datamodels: files.map((file) => [file.path, file.content]) },
    () => {},
    bindMigrationAwareSqlAdapterFactory(factory),
  )
  try {
    return await work(engine, files)
  } finally {
    engine.free?.()
    // Nothing else closes the engine's connections, and an open pool keeps the process alive.
    await Promise.allSettled(open.map((adapter) => adapter.dispose()))
  }
}

/** The SQL that would bring the database at `url` in line with the schema in `folder`; null if they agree. */
export function schemaDiff(url: string, folder = OWN_SCHEMA): Promise<string | null> {
  const work = async (engine: Engine, files: SchemaFile[]) => {
    const result = await engine.diff({
      from: { tag: 'schemaDatasource', files, configDir: ROOT },
      to: { tag: 'schemaDatamodel', files },
      script: true,
      exitCode: true,
      filters: { externalTables: [], externalEnums: [] },
      shadowDatabaseUrl: null,
    })
    return result.exitCode === 0 ? null : result.stdout
  }
  return withEngine(url, work, folder)
}

/**
 * Applies the migrations that Prisma's own engine still finds for the database at `url`, and returns their
 * names.
 */
export function applyWithPrisma(url: string): Promise<string[]> {
  return withEngine(url, async (engine) => {
    const folder = join(ROOT, 'migrations')
    const entries = await readdir(folder, { withFileTypes: true })
    const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
    const migrationDirectories = await Promise.all(
      names.sort().map(async (path) => ({
        path,
        migrationFile: {
          path: 'migration.sql',
          content: {
            tag: 'ok',
            value: await readFile(join(folder, path, 'migration.sql'), 'utf8'),
          },
        },
      })),
    )
    const { appliedMigrationNames } = await engine.applyMigrations({
      migrationsList: {
        baseDir: folder,
        lockfile: { path: 'migration_lock.toml', content: 'provider = "postgresql"\n' },
        shadowDbInitScript: '',
        migrationDirectories,
      },
      filters: { externalTables: [], externalEnums: [] },
    })
    return appliedMigrationNames
  })
}
