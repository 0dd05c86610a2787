/**
 * A database whose `User` has columns of a host's own. A test file that uses it mocks `@repo/db` with the copy, as a
 * host's app has one client: `vi.mock('@repo/db', async () => (await hostPackage()).import('index.ts'))`.
 */

import { createHostPackage, type HostPackage, type TestDatabase } from '@repo/db/testing'
import { inject } from 'vitest'

/** The lines that a host writes into `model User`, as the error about missing columns says them. */
export const LINES = {
  company: 'company String?',
  plan: 'plan String @default("free")',
  seats: 'seats Int?',
  since: 'since DateTime?',
  topics: 'topics String[]',
  internalNote: 'internalNote String?',
  tenant: 'tenant String?',
}

/** The lines of Better Auth's plugin `username`, and of a plugin of the host. */
const OF_PLUGINS = ['username String? @unique', 'displayUsername String?', 'notes Note[]']

/** The table of a plugin of the host. */
const NOTES = `
/// @tenancy owner userId
model Note {
  id     String @id
  text   String
  userId String
  user   User   @relation(fields: [userId], references: [id], onDelete: Cascade)
}
`

let made: Promise<HostPackage> | undefined

/** The copy of `@repo/db` with these lines. */
export function hostPackage(): Promise<HostPackage> {
  const lines = [...Object.values(LINES), ...OF_PLUGINS]
  made ??= createHostPackage(NOTES, { User: `  ${lines.join('\n  ')}` })
  return made
}

/** A database as the host migrates it, with what `db:diff` writes. */
export async function createHostDatabase(): Promise<TestDatabase> {
  const host = await hostPackage()
  type Testing = typeof import('@repo/db/testing')
  const { createTestDatabase } = await host.import<Testing>('testing/index.ts')
  const database = await createTestDatabase(inject('postgres'))
  type Diff = (url: string) => Promise<string | null>
  const { schemaDiff } = await host.import<{ schemaDiff: Diff }>('schema-engine.ts')
  const { policyDiff } = await host.import<{ policyDiff: Diff }>('tenancy/policies.ts')
  for (const diff of [schemaDiff, policyDiff]) {
    // Prisma sends one statement at a time, and a DO block holds them all.
    const sql = (await diff(database.url)) ?? ''
    await database.db.$executeRawUnsafe(`DO $migration$ BEGIN ${sql} END $migration$`)
  }
  return database
}
