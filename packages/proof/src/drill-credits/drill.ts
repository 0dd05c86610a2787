/**
 * Runs one drill of the ledger. Callers in two processes change credits under mishaps until each has made all
 * its calls. Then the promises are checked.
 *
 * @module
 */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { createProgress } from '@repo/core/cli'
import { createRandom } from '../drill/index.ts'
import { type DrillDatabase, startDatabase } from '../drill-webhooks/database.ts'
import { playPack } from '../drill-webhooks/pack.ts'
import { createSystem, type System } from '../drill-webhooks/system.ts'
import { say } from '../harness/command.ts'
import type { Scope } from '../harness/scope.ts'
import type { CallerSettings } from './caller-process.ts'
import { checkPromises } from './checks.ts'
import type { Options } from './options.ts'
import type { Report } from './report.ts'

/** Processes, and callers in all of them. */
const PROCESSES = 2
const CALLERS = 64

/** How often each mishap is in a pack. */
const PACK = {
  'caller killed': 8,
  'caller frozen': 2,
  'connections cut': 14,
  'database restarted': 1,
  'database crashed': 1,
}
const QUICK_PACK = { ...PACK, 'caller killed': 3, 'caller frozen': 1, 'connections cut': 3 }

/** After this long without a finished call the drill is taken as stuck. */
const STUCK_MS = 600_000

/** Runs a drill. `prepare` may damage the database first, to test whether the drill finds that. */
export async function drill(
  { seed, operations, quick }: Options,
  scope: Scope,
  prepare: (database: DrillDatabase) => Promise<unknown> = async () => {},
): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-drill-'))
  scope.add(async () => rmSync(folder, { recursive: true, force: true }))
  const journals = join(folder, 'journals')
  mkdirSync(journals)
  say(`seed ${seed}: starting PostgreSQL and ${PROCESSES} processes of callers`)
  const database = await startDatabase(folder, scope)
  await prepare(database)
  const calls = Math.ceil(operations / CALLERS)
  const settings: CallerSettings = {
    databaseUrl: database.url,
    seed,
    folder: journals,
    callers: CALLERS / PROCESSES,
    calls,
  }
  const told = new Map<number, { done: number; isOver: boolean }>()
  let retries = 0
  const system = createSystem({
    scope,
    folder,
    files: { caller: new URL('caller-process.ts', import.meta.url) },
    settings,
    count: { caller: PROCESSES },
    onMessage(slot, message) {
      const { done, retried, isOver } = message as {
        done: number
        retried: number
        isOver: boolean
      }
      told.set(slot, { done, isOver })
      retries += retried
    },
  })
  const began = Date.now()
  await system.start()
  const done = () => [...told.values()].reduce((sum, each) => sum + each.done, 0)
  const mishaps = startMishaps(seed, quick, system, database, () => done() / operations)
  scope.add(() => mishaps.stop())

  const progress = createProgress('calls')
  let most = 0
  let moved = Date.now()
  for (;;) {
    if (done() > most) moved = Date.now()
    most = Math.max(most, done())
    progress.show(most, calls * CALLERS)
    if (told.size === PROCESSES && [...told.values()].every(({ isOver }) => isOver)) break
    if (Date.now() - moved > STUCK_MS || scope.isClosed) break
    await wait(100)
  }
  progress.end()
  const calledMs = Date.now() - began
  await mishaps.stop()

  say('checking the promises')
  const { violations, ...checked } = await checkPromises(database.url, journals)
  if (most < calls * CALLERS) {
    violations.push({ invariant: 'process', id: 'callers', message: `stopped at call ${most}` })
  }
  return {
    seed,
    ...checked,
    calls: most,
    retries,
    mishaps: Object.fromEntries(mishaps.counts),
    restarts: system.restarts,
    seconds: { called: calledMs / 1000, all: (Date.now() - began) / 1000 },
    perSecond: most / (calledMs / 1000),
    violations: [...system.violations, ...violations],
  }
}

function startMishaps(
  seed: number,
  quick: boolean,
  system: System<'caller'>,
  database: DrillDatabase,
  progress: () => number,
) {
  const random = createRandom(seed, 5)
  return playPack({
    random,
    pack: quick ? QUICK_PACK : PACK,
    progress,
    pauseMs: quick ? { least: 300, more: 1_200 } : { least: 500, more: 3_500 },
    isAlone: (mishap) => mishap.startsWith('database'),
    befall(mishap) {
      switch (mishap) {
        case 'caller killed':
          return system.kill('caller', random)
        case 'caller frozen':
          return system.freeze('caller', random, 500 + random.whole(1_000))
        case 'connections cut':
          return database.cut(0.2 + random.next() * 0.8)
        case 'database restarted':
          return database.restart({ isImmediate: false })
        case 'database crashed':
          return database.restart({ isImmediate: true })
      }
    },
  })
}
