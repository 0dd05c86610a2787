/**
 * Commands about credits.
 *
 * @module
 */

import { createProgress } from '@repo/core/cli'
import { databaseEnv } from '@repo/db'
import type { LedgerEntry } from '../credits/balance.ts'
import type { LedgerViolation } from '../credits/violations.ts'
import { type Command, type Flags, limitOf, say, UsageError } from './command.ts'

/** The commands `credits …`. */
export const creditCommands: Record<string, Command> = {
  'credits balance': {
    takes: '<owner>',
    flags: { type: 'credits' },
    does: "show an owner's balance, debt and holds, and the credits that expire next",
    needs: [databaseEnv],
    async run([ownerId = ''], flags, billing) {
      const held = await billing.getBalance(ownerId, ofType(flags))
      say(`${held.balance} to spend, ${held.holds} held, ${held.debt} owed`)
      for (const { amount, expiresAt } of held.expiring) {
        say(`${amount} expire ${expiresAt.toISOString()}`)
      }
      return { ownerId, ...held }
    },
  },

  'credits list': {
    takes: '<owner>',
    flags: { type: 'credits', limit: '50', after: '<id>' },
    does: "list an owner's transactions, the newest first",
    needs: [databaseEnv],
    async run([ownerId = ''], flags, billing) {
      const { limit = '50', after } = flags
      const page = await billing.listTransactions(ownerId, {
        ...ofType(flags),
        limit: limitOf({ ...flags, limit }, 200),
        ...(after === undefined ? {} : { cursor: after }),
      })
      for (const entry of page.transactions) say(line(entry))
      if (page.nextCursor !== null) say(`There are more: --after=${page.nextCursor}`)
      if (page.transactions.length === 0) say('There are none.')
      return { ownerId, ...page }
    },
  },

  'credits grant': {
    takes: '<owner>',
    flags: { amount: '<n>', key: '<key>', note: '<text>', type: 'credits' },
    does: 'grant credits, once per key however often the command runs',
    needs: [databaseEnv],
    acts: true,
    async run([ownerId = ''], flags, billing) {
      const change = await billing.grantCredits(ownerId, requireAmount(flags), {
        ...ofType(flags),
        idempotencyKey: requireFlag('key', flags.key),
        description: flags.note ?? '',
      })
      say(`${ownerId} has ${change.balance} credits (transaction ${change.transactionId}).`)
      return { ownerId, ...change }
    },
  },

  'credits adjust': {
    takes: '<owner>',
    flags: { amount: '<±n>', by: '<name>', note: '<text>', key: '<key>', type: 'credits' },
    does: 'change a balance by hand; --amount=-5 takes five; --by and --note are kept with it',
    needs: [databaseEnv],
    acts: true,
    async run([ownerId = ''], flags, billing) {
      const { by, note, key } = flags
      const options = { ...ofType(flags), ...(key === undefined ? {} : { idempotencyKey: key }) }
      const change = await billing.adjustCredits(
        ownerId,
        requireAmount(flags),
        requireFlag('note', note),
        { ...options, actor: requireFlag('by', by) },
      )
      say(`${ownerId} has ${change.balance} credits (transaction ${change.transactionId}).`)
      return { ownerId, ...change }
    },
  },

  'credits reconcile': {
    does: 'check every account against its transactions, without changing anything',
    needs: [databaseEnv],
    async run(_, __, billing) {
      const progress = createProgress('accounts')
      const report = await billing.reconcileCredits({ onProgress: progress.show })
      progress.end()
      for (const violation of report.violations) say(wrong(violation))
      const { accounts, transactions, drifted } = report
      say(`${accounts} accounts, ${transactions} transactions, ${drifted} accounts drifted.`)
      if (report.violations.length > 0) process.exitCode = 1
      return report
    },
  },
}

const ofType = ({ type }: Flags) => (type === undefined ? {} : { creditType: type })

function requireFlag(name: string, value: string | undefined): string {
  if (value !== undefined && value.trim() !== '') return value
  throw new UsageError(`--${name} is required.`)
}

function requireNumber(name: string, text: string): number {
  if (/^[+-]?\d+$/.test(text)) return Number(text)
  throw new UsageError(`--${name} must be a whole number, not ${text}.`)
}

const requireAmount = ({ amount }: Flags): number =>
  requireNumber('amount', requireFlag('amount', amount))

const line = (entry: LedgerEntry): string =>
  [
    entry.createdAt.toISOString(),
    entry.id,
    entry.type,
    entry.amount > 0 ? `+${entry.amount}` : entry.amount,
    `→ ${entry.balanceAfter}`,
    ...(entry.debt === 0 ? [] : [`debt ${entry.debt > 0 ? '+' : ''}${entry.debt}`]),
    entry.idempotencyKey,
    ...(entry.actor === null ? [] : [`by ${entry.actor}`]),
    entry.description,
  ].join('  ')

function wrong(violation: LedgerViolation): string {
  const { check, ownerId, creditType, transactionId, expected, found } = violation
  if (check === 'guards') return `The trigger ${expected} is missing or off.`
  const first = transactionId === null ? '' : `, first wrong transaction ${transactionId}`
  return `${ownerId} ${creditType}: ${check} is ${found ?? 'missing'} and should be ${expected}${first}`
}
