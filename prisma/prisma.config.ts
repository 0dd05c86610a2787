import { defineConfig } from 'prisma/config'

// These commands run in WebAssembly, but the CLI still insists on an engine binary and would
// download one. Any executable satisfies the check, because none of them ever starts it.
if (['generate', 'validate', 'format', 'version'].includes(process.argv[2] ?? '')) {
  process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= process.execPath
}

export default defineConfig({
  schema: 'schema',
  migrations: { path: 'migrations' },
  datasource: { url: process.env.DATABASE_URL ?? '' },
})
