/**
 * Starts one PostgreSQL for a test run, migrates one template, and tells every test file where it
 * is. `TEST_DATABASE_URL`, a superuser's address, uses that server instead.
 *
 * @module
 */

import type {} from 'vitest'
import type { TestProject } from 'vitest/node'
import { migrate } from '../migrate.ts'
import { OWNER, type PostgresServer, startPostgres } from './postgres.ts'

declare module 'vitest' {
  interface ProvidedContext {
    postgres: { adminUrl: string; template: string; owner: string }
  }
}

interface Shared {
  users: number
  server?: Promise<PostgresServer>
}

// The projects of one run set up in one process: the first starts the server, the last stops it.
const SHARED = Symbol.for('@repo/db/testing')
const holder = globalThis as { [SHARED]?: Shared }

const TEMPLATE = 'tollgate_template'

async function startWithTemplate(): Promise<PostgresServer> {
  const server = await startPostgres()
  await migrate(await server.createDatabase(TEMPLATE))
  return server
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  holder[SHARED] ??= { users: 0 }
  const shared = holder[SHARED]
  shared.users += 1
  shared.server ??= startWithTemplate()
  const server = await shared.server
  project.provide('postgres', { adminUrl: server.adminUrl, template: TEMPLATE, owner: OWNER })
  return async () => {
    shared.users -= 1
    if (shared.users > 0) return
    delete shared.server
    await server.stop()
  }
}
