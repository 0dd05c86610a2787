/**
 * Puts the tables of the queue into a template of their own, once for a test run, so that no test file has to create
 * them. Runs after the global setup of `@repo/db`, whose template it copies.
 *
 * @module
 */

import { cloneDatabase, dropDatabase } from '@repo/db/testing'
import type { TestProject } from 'vitest/node'
import { migrateJobs } from '../worker.ts'

// The projects of a run share one process, and one template.
const SHARED = Symbol.for('@repo/jobs/testing')
const holder = globalThis as { [SHARED]?: { users: number; template?: Promise<string> } }

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { postgres } = project.getProvidedContext()
  const create = async () => {
    const template = `${postgres.template}_queue`
    await migrateJobs(await cloneDatabase(postgres, template))
    return template
  }
  holder[SHARED] ??= { users: 0 }
  const shared = holder[SHARED]
  shared.users += 1
  shared.template ??= create()
  const template = await shared.template
  project.provide('postgres', { ...postgres, template })
  return async () => {
    shared.users -= 1
    if (shared.users > 0) return
    delete shared.template
    await dropDatabase(postgres.adminUrl, template)
  }
}
