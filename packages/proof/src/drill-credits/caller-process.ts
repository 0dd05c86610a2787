/** A process with callers, each of which makes one credit call after the other. */

import { setTimeout as wait } from 'node:timers/promises'
import { createBilling } from '@repo/billing'
import { systemClock } from '@repo/core'
import { createDb, sqlErrorOf } from '@repo/db'
import type { LifeSettings } from '../drill-webhooks/system.ts'
import { serve, settingsOf } from '../harness/child.ts'
import { silent } from '../harness/silent.ts'
import { call, Wrong } from './calls.ts'
import { openJournal } from './journal.ts'
import { nextOperation, type Operation } from './operations.ts'

/** The settings of the process. */
export interface CallerSettings {
  databaseUrl: string
  seed: number
  folder: string
  /** Callers of each process. */
  callers: number
  /** Calls of each caller. */
  calls: number
}

/** After this long without an answer a call is taken as stuck. */
const STUCK_MS = 300_000
/** How often the parent is told about progress. */
const TOLD_EVERY_MS = 250

const settings = settingsOf<CallerSettings & LifeSettings>()
const { seed, slot, callers: count, calls } = settings
const db = createDb(settings.databaseUrl, { maxConnections: 10 })
let stepped = 0
const now = () => new Date(Date.now() + stepped)
const billing = createBilling({
  db,
  logger: silent,
  // Process 0 uses a clock of its own that is moved; the other uses the database's clock.
  clock: slot === 0 ? { ...systemClock, now } : systemClock,
  credits: { groupCommit: slot === 0, lowBalance: { credits: 50 }, onLowBalance: () => {} },
})
const journal = openJournal(settings.folder, slot, count)
let retried = 0

async function run(number: number): Promise<void> {
  const caller = journal.callers[number] as (typeof journal.callers)[number]
  while (caller.done < calls) {
    let isRetry = caller.pending !== null
    if (!caller.pending) {
      const stream = { seed, caller: slot * count + number, number: caller.done }
      const operation = nextOperation(stream, caller.memory)
      journal.asks(
        number,
        operation.does === 'grant' || operation.does === 'purchase' ? dated(operation) : operation,
      )
    }
    const operation = caller.pending as unknown as Operation
    if (operation.does === 'stepClock') stepped += (operation.seconds ?? 0) * 1000
    for (const began = Date.now(); caller.pending; isRetry = true) {
      try {
        journal.answered(number, await call({ billing, db }, operation, isRetry))
      } catch (error) {
        const wrong = wrongIn(error)
        if (wrong) journal.wrong(number, wrong)
        else if (Date.now() - began > STUCK_MS) journal.wrong(number, `stuck: ${error}`)
        else await wait(50)
        retried += 1
      }
    }
  }
}

/** The operation with a fixed time in place of seconds from now, so that each try sends the same. */
const dated = (operation: Operation): Operation =>
  operation.seconds === undefined
    ? operation
    : {
        ...operation,
        expiresAt: new Date(now().getTime() + operation.seconds * 1000).toISOString(),
      }

/**
 * The message of an error that no mishap explains. Null: the error comes from a lost connection, or from a
 * server that starts or stops.
 */
function wrongIn(error: unknown): string | null {
  if (error instanceof Wrong) return error.message
  const { state, message } = sqlErrorOf(error)
  if (state) return /^(57P|08|53300|25P03)/.test(state) ? null : `${state} ${message}`
  const { name = '', code = '' } = error as Error & { code?: string }
  const isMishap = name.startsWith('Prisma') || /^E[A-Z]+$/.test(code) || /onnection/.test(message)
  return isMishap ? null : `${name} ${message}`
}

const told = () => {
  const done = journal.callers.reduce((sum, caller) => sum + caller.done, 0)
  process.send?.({ done, retried, isOver: done === count * calls })
  retried = 0
}
serve({}, async () => {
  await db.$disconnect()
})
const telling = setInterval(told, TOLD_EVERY_MS)
await Promise.all(Array.from({ length: count }, (_, number) => run(number)))
clearInterval(telling)
told()
