/**
 * Makes the call of an operation and checks its answer.
 *
 * @module
 */

import type { Billing } from '@repo/billing'
import { isTollgateError } from '@repo/core'
import { atomically, type Database } from '@repo/db'
import type { Answer, Doing, Operation } from './operations.ts'

/** The allowed refusals of each operation. Any other error is a fault of the ledger or a mishap. */
const REFUSALS: Partial<Record<Doing, readonly string[]>> = {
  // The expiry may be in the past: another process's clock was ahead, and the account's time does
  // not go back.
  grant: ['invalid_input'],
  purchase: ['invalid_input'],
  refund: ['refund_exceeds_deduction'],
  refundNewest: ['nothing_to_refund'],
  capture: ['hold_settled'],
  release: ['hold_settled'],
  withCredits: ['insufficient_credits'],
  adjust: ['insufficient_credits'],
}

/** An answer that the ledger must not give. */
export class Wrong extends Error {
  override readonly name = 'Wrong'
}

class WorkFailed extends Error {}

/**
 * Makes the call of `operation`. `isRetry`: an earlier try may have succeeded.
 *
 * @throws Wrong for a wrong answer; errors of the database, after which the answer is unknown.
 */
export async function call(
  { billing, db }: { billing: Billing; db: Database },
  operation: Operation,
  isRetry: boolean,
): Promise<Answer> {
  try {
    return await make(billing, db, operation)
  } catch (error) {
    if (!isTollgateError(error)) throw error
    if (REFUSALS[operation.does]?.includes(error.code)) return { refused: error.code }
    // An earlier try has done the work, but its answer was lost.
    if (operation.does === 'withCredits' && error.code === 'hold_settled' && isRetry) return {}
    if (operation.does === 'conflict' && error.code === 'idempotency_conflict') return {}
    throw new Wrong(`${operation.does} threw ${error.code}: ${error.message}`)
  }
}

async function make(billing: Billing, db: Database, operation: Operation): Promise<Answer> {
  const { does, ownerId, creditType, key, amount, of = '', fails, again } = operation
  const options = { idempotencyKey: key, creditType }
  switch (does) {
    case 'deduct':
      return answerOf(await billing.deductCredits(ownerId, amount, does, options))
    case 'deductInTransaction': {
      const done = atomically(db, async (tx) => {
        const answer = await billing.deductCredits(ownerId, amount, does, { ...options, tx })
        if (fails) throw new WorkFailed()
        return answerOf(answer)
      })
      return done.catch((error) => rolledBack(error, 'rolled back'))
    }
    case 'grant':
    case 'purchase': {
      const { expiresAt, priority = 50 } = operation
      const lot = { priority, ...(expiresAt ? { expiresAt: new Date(expiresAt) } : {}) }
      return answerOf(
        await billing.grantCredits(ownerId, amount, { ...options, ...lot, type: does }),
      )
    }
    case 'refund':
      return answerOf(
        await billing.refundCredits(ownerId, amount, does, { ...options, transactionId: of }),
      )
    case 'refundNewest':
      return answerOf(await billing.refundCredits(ownerId, amount, does, options))
    case 'hold': {
      const ttlSeconds = operation.seconds ?? 900
      const held = await billing.holdCredits(ownerId, amount, does, { ...options, ttlSeconds })
      return held.success ? { ...answerOf(held), holdId: held.holdId } : answerOf(held)
    }
    case 'capture':
    case 'release': {
      const { captured } =
        does === 'capture' ? await billing.captureHold(of, amount) : await billing.releaseHold(of)
      return { amount: captured }
    }
    case 'withCredits': {
      const done = billing.withCredits(
        ownerId,
        amount,
        does,
        ({ capture }) => {
          if (fails) throw new WorkFailed()
          capture(1)
        },
        // Calls wait for work of a killed process until its deadline, so the deadline is short.
        { ...options, ttlSeconds: 20 },
      )
      return done.then(
        () => ({}),
        (error) => rolledBack(error, 'work failed'),
      )
    }
    case 'adjust':
      return answerOf(
        await billing.adjustCredits(ownerId, amount, does, { ...options, actor: 'drill' }),
      )
    case 'clawBack': {
      const purchase = amount % 2 === 0 ? { purchaseKey: of } : {}
      const back = await billing.clawBackCredits(ownerId, amount, does, { ...options, ...purchase })
      if (back.taken + back.owed !== amount)
        throw new Wrong(`clawBack of ${amount} took ${back.taken} and owes ${back.owed}`)
      return { ...answerOf(back), amount: back.taken, debt: back.owed }
    }
    case 'restore': {
      const back = await billing.restoreCredits(ownerId, does, { ...options, clawBackKey: of })
      return { ...answerOf(back), amount: back.given, debt: back.forgiven }
    }
    case 'replay': {
      if (!again) return {}
      const answer = await make(billing, db, again.operation)
      if (!isSame(answer, again.answer)) {
        throw new Wrong(
          `replay answered ${JSON.stringify(answer)}, first answer ${JSON.stringify(again.answer)}`,
        )
      }
      return {}
    }
    case 'conflict': {
      if (!again || again.operation.does === 'capture' || again.operation.does === 'restore')
        return {}
      const other = { ...again.operation, amount: again.operation.amount * 2 }
      const answer = await make(billing, db, other)
      throw new Wrong(`a used key with another amount was answered with ${JSON.stringify(answer)}`)
    }
    case 'read': {
      const { balance, debt } = await billing.getBalance(ownerId, { creditType })
      if (balance < 0 || debt < 0) throw new Wrong(`negative balance ${balance} or debt ${debt}`)
      await billing.listTransactions(ownerId, { creditType, limit: 5 })
      return {}
    }
    case 'expire':
      await billing.expireCredits()
      return {}
    case 'releaseOverdue':
      await billing.releaseOverdueHolds()
      return {}
    case 'stepClock':
      return {}
  }
}

function answerOf(
  answer: { transactionId: string; balance: number } | { success: false; error: string },
): Answer {
  if ('error' in answer) return { refused: answer.error }
  return { id: answer.transactionId, balance: answer.balance }
}

function rolledBack(error: unknown, refused: string): Answer {
  if (error instanceof WorkFailed) return { refused }
  throw error
}

// Settling a hold returns the present balance, so answers of `capture` have no balance to compare.
const isSame = (a: Answer, b: Answer): boolean =>
  a.id === b.id && a.balance === b.balance && a.holdId === b.holdId && a.amount === b.amount
