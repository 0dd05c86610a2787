import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'prisma/config'
import { migrationsFolder, schemaFolder } from './generator/host-schema.ts'

// These commands run in WebAssembly, but the CLI still insists on an engine binary and would
// download one. Any executable satisfies the check, because none of them ever starts it.
if (['generate', 'validate', 'format', 'version'].includes(process.argv[2] ?? '')) {
  process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= process.execPath
}

const folder = dirname(fileURLToPath(import.meta.url))

export default defineConfig({
  schema: schemaFolder(folder),
  migrations: { path: migrationsFolder(folder) },
  datasource: { url: process.env.DATABASE_URL ?? '' },
})
