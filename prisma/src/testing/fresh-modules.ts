/**
 * Gives each test file modules of the workspace that no other file has used, in a process that files share.
 * Packages from the registry are loaded once in a process and stay warm: loading and warming them up is most
 * of what a process of its own costs a file. The environment is again as the process found it, and so is the
 * client that `db` keeps for the whole process.
 *
 * @module
 */

import { AsyncLocalStorage } from 'node:async_hooks'
import { vi } from 'vitest'
import type { Database } from '../client.ts'

const DB = Symbol.for('@repo/db')
const FOUND = Symbol.for('@repo/db/testing/found')
const shared = globalThis as {
  [DB]?: Database
  [FOUND]?: { env: NodeJS.ProcessEnv; storages: Set<AsyncLocalStorage<unknown>> }
}

/**
 * Notes each storage that is used. Until it is disabled, Node.js 20 copies its value to every promise, those of
 * later files included, which makes each file slower than the one before.
 */
function noteStorages(): Set<AsyncLocalStorage<unknown>> {
  const storages = new Set<AsyncLocalStorage<unknown>>()
  const { run } = AsyncLocalStorage.prototype
  AsyncLocalStorage.prototype.run = function (
    this: AsyncLocalStorage<unknown>,
    ...args: unknown[]
  ) {
    storages.add(this)
    return Reflect.apply(run, this, args)
  } as typeof run
  return storages
}

shared[FOUND] ??= { env: { ...process.env }, storages: noteStorages() }
const { env, storages } = shared[FOUND]

// Next.js finds Node's storage in the global scope when it is loaded, which is once in a process.
Object.assign(globalThis, { AsyncLocalStorage })

vi.resetModules()
vi.useRealTimers()

for (const storage of storages) storage.disable()
storages.clear()

for (const name of Object.keys(process.env)) {
  if (!(name in env)) delete process.env[name]
}
Object.assign(process.env, env)

await shared[DB]?.$disconnect()
delete shared[DB]
