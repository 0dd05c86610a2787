/**
 * The operations of callers, drawn from the seed. An operation is plain data that describes a call
 * completely, so that the process after a killed one can make the same call again.
 *
 * @module
 */

import { createRandom, type Random } from '../drill/index.ts'

/** The kinds of operations, with weights. */
export const DOINGS = {
  deduct: 34,
  deductInTransaction: 3,
  grant: 7,
  purchase: 6,
  refund: 7,
  refundNewest: 3,
  hold: 9,
  capture: 5,
  release: 3,
  withCredits: 5,
  adjust: 4,
  clawBack: 2,
  restore: 1,
  replay: 6,
  conflict: 2,
  read: 3,
  stepClock: 0.3,
  expire: 0.05,
  releaseOverdue: 0.3,
} as const

/** The kind of an operation. */
export type Doing = keyof typeof DOINGS

/** One call of the ledger. */
export interface Operation {
  does: Doing
  ownerId: string
  creditType: string
  key: string
  /** Credits; signed for an adjustment. */
  amount: number
  /** The transaction, hold or key of the earlier call that this call refers to. */
  of?: string
  /** Seconds: until a lot expires, until a hold's deadline, or how far a clock is moved. */
  seconds?: number
  /** The expiry as ISO 8601, fixed before the first try, so that each try sends the same. */
  expiresAt?: string
  priority?: number
  /** True: the work throws, or the transaction is rolled back. */
  fails?: boolean
  /** The earlier call that is repeated, with its answer. */
  again?: Done
}

/** The answer of a call. */
export interface Answer {
  /** The code of a refusal. Absent: the call succeeded. */
  refused?: string
  id?: string
  balance?: number
  holdId?: string
  /** For a hold: captured credits. For a clawback: taken or restored credits. */
  amount?: number
  debt?: number
}

/** An operation and its answer. */
export interface Done {
  operation: Operation
  answer: Answer
}

/** The earlier calls that a caller remembers, the newest last. */
export interface Memory {
  done: Done[]
  deductions: Done[]
  holds: Done[]
  purchases: Done[]
  clawBacks: Done[]
}

/** A memory without calls. */
export const emptyMemory = (): Memory => ({
  done: [],
  deductions: [],
  holds: [],
  purchases: [],
  clawBacks: [],
})

/** Remembered calls of each kind. */
const REMEMBERED = 8

/** Adds a finished call to the memory, and removes calls that can no longer be referred to. */
export function remember(memory: Memory, done: Done): void {
  const { does, of } = done.operation
  const keep = (list: Done[]) => {
    list.push(done)
    if (list.length > REMEMBERED) list.shift()
  }
  const forget = (list: Done[], id: (each: Done) => string | undefined) => {
    const at = list.findIndex((each) => id(each) === of)
    if (at >= 0) list.splice(at, 1)
  }
  if (does === 'capture' || does === 'release') forget(memory.holds, ({ answer }) => answer.holdId)
  if (does === 'clawBack') forget(memory.purchases, ({ operation }) => operation.key)
  if (does === 'restore') forget(memory.clawBacks, ({ operation }) => operation.key)
  if (done.answer.refused !== undefined) return
  if (does === 'deduct') keep(memory.deductions)
  if (does === 'hold') keep(memory.holds)
  if (does === 'purchase') keep(memory.purchases)
  if (does === 'clawBack') keep(memory.clawBacks)
  if (REPEATABLE.has(does)) keep(memory.done)
}

/** Operations that return the same answer for the same key, whatever has happened since. */
const REPEATABLE = new Set<Doing>([
  ...(['deduct', 'grant', 'purchase', 'refund', 'hold', 'capture'] as const),
  ...(['adjust', 'clawBack', 'restore'] as const),
])

/** Numbers of busy accounts and of all others. */
const HOT = 4
const MANY = 1_000
/** The share of calls on the busy accounts. */
const HOT_SHARE = 0.5

/** The operation number `number` of a caller, drawn from the seed and the caller's memory. */
export function nextOperation(
  stream: { seed: number; caller: number; number: number },
  memory: Memory,
): Operation {
  const { seed, caller, number } = stream
  const random = createRandom(seed, caller, number)
  const owner = random.chance(HOT_SHARE) ? `hot_${random.whole(HOT)}` : `user_${random.whole(MANY)}`
  const fresh = (does: Doing): Operation => ({
    does,
    ownerId: owner,
    creditType: random.chance(0.15) ? 'seconds' : 'credits',
    key: `${does}-${caller}-${number}`,
    amount: 1 + random.whole(20),
  })
  const about = (does: Doing, list: Done[]): { operation: Operation; past: Done } | null => {
    const past = list[random.whole(list.length)]
    if (!past) return null
    const { ownerId, creditType } = past.operation
    return { operation: { ...fresh(does), ownerId, creditType }, past }
  }
  const does = random.weighted(DOINGS)
  switch (does) {
    case 'grant':
    case 'purchase':
      return { ...fresh(does), amount: 1 + random.whole(400), ...lot(random) }
    case 'refund': {
      const found = about(does, memory.deductions)
      if (!found) break
      const { id } = found.past.answer
      const amount = 1 + random.whole(found.past.operation.amount)
      return { ...found.operation, amount, ...(id === undefined ? {} : { of: id }) }
    }
    case 'refundNewest':
      return { ...fresh(does), amount: 1 + random.whole(4) }
    case 'hold':
      // Some holds get a deadline that passes before they are settled.
      return { ...fresh(does), seconds: random.chance(0.3) ? 1 : 3_600 }
    case 'capture':
    case 'release': {
      const found = about(does, memory.holds)
      const holdId = found?.past.answer.holdId
      if (!found || holdId === undefined) break
      const amount = 1 + random.whole(found.past.operation.amount)
      return { ...found.operation, of: holdId, amount }
    }
    case 'adjust': {
      const sign = random.chance(0.5) ? 1 : -1
      return { ...fresh(does), amount: sign * (1 + random.whole(50)) }
    }
    case 'clawBack': {
      const found = about(does, memory.purchases)
      if (!found) break
      const { amount, key } = found.past.operation
      return { ...found.operation, amount, of: key }
    }
    case 'restore': {
      const found = about(does, memory.clawBacks)
      if (!found) break
      return { ...found.operation, of: found.past.operation.key }
    }
    case 'replay':
    case 'conflict': {
      const again = memory.done[random.whole(memory.done.length)]
      if (!again) break
      return { ...again.operation, does, again }
    }
    case 'withCredits':
    case 'deductInTransaction':
      return { ...fresh(does), fails: random.chance(0.3) }
    case 'stepClock':
      return { ...fresh(does), seconds: random.whole(86_400 * 2) - 86_400 }
    default:
      return fresh(does)
  }
  return fresh('deduct')
}

function lot(random: Random): Pick<Operation, 'seconds' | 'priority'> {
  const expires = random.chance(0.5) ? { seconds: 60 + random.whole(86_400 * 5) } : {}
  return { ...expires, priority: random.chance(0.3) ? random.whole(101) : 50 }
}
