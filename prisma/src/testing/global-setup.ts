/**
 * Starts one PostgreSQL for a test run, migrates one template, and provides its URL to every test file.
 * `TEST_DATABASE_URL`, else `DATABASE_URL`, names another server to use. Its role needs CREATEDB; the
 * database it names is only connected to and never changed. With `TEST_POOLER=1` the embedded server gets a
 * pooler in front of it.
 *
 * @module
 */

import type { TestProject } from 'vitest/node'
import { migrate } from '../migrate.ts'
import { cloneDatabase, dropDatabase, type TestPostgres } from './database.ts'
import type {} from './index.ts'
import { startPooler } from './pooler.ts'
import { OWNER, startPostgres } from './postgres.ts'

interface TestServer extends TestPostgres {
  stop(): Promise<void>
}

interface Shared {
  users: number
  server?: Promise<TestServer>
}

// The projects of a run share one process: the first starts the server, the last stops it.
const SHARED = Symbol.for('@repo/db/testing')
const holder = globalThis as { [SHARED]?: Shared }

async function start(): Promise<TestServer> {
  const template = `tollgate_template_${process.pid}`
  const given = process.env.TEST_DATABASE_URL || process.env.DATABASE_URL
  if (given) {
    const owner = decodeURIComponent(new URL(given).username)
    const postgres = { adminUrl: given, template, owner, pooler: null, socketFolder: null }
    await migrate(await cloneDatabase({ ...postgres, template: 'template1' }, template))
    return { ...postgres, stop: () => dropDatabase(given, template) }
  }
  const server = await startPostgres()
  await migrate(await server.createDatabase(template))
  const { adminUrl, socketFolder } = server
  const pooler = process.env.TEST_POOLER === '1' ? await startPooler(adminUrl) : null
  return {
    ...{ adminUrl, template, owner: OWNER, pooler: pooler?.host ?? null, socketFolder },
    async stop() {
      await pooler?.stop()
      await server.stop()
    },
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  holder[SHARED] ??= { users: 0 }
  const shared = holder[SHARED]
  shared.users += 1
  shared.server ??= start()
  const { stop, ...postgres } = await shared.server
  project.provide('postgres', postgres)
  return async () => {
    shared.users -= 1
    if (shared.users > 0) return
    delete shared.server
    await stop()
  }
}
