/**
 * Commands about orders.
 *
 * @module
 */

import { userInfo } from 'node:os'
import { createProgress } from '@repo/core/cli'
import { databaseEnv } from '@repo/db'
import type { Billing } from '../billing.ts'
import { appEnv } from '../create-context.ts'
import { isBillingError } from '../errors.ts'
import type { OwnerOrder } from '../orders/list.ts'
import type { DayTotals } from '../orders/reconcile.ts'
import type { OrderStatus } from '../orders/verdict.ts'
import { paymentEnv } from '../providers/env.ts'
import { afterOf, type Command, type Flags, limitOf, nextPage, say, UsageError } from './command.ts'

// The provider's own key is checked later, because the provider may be any of several.
const EVERYTHING = [databaseEnv, appEnv, paymentEnv]

/** The commands `orders …`. */
export const orderCommands: Record<string, Command> = {
  'orders list': {
    takes: '[<owner>]',
    flags: { status: 'pending,…', limit: '100', after: '<id>' },
    does: 'list orders, the newest first; --status attention for those that need a person',
    needs: [databaseEnv],
    async run([ownerId], flags, billing) {
      const { status } = flags
      const limit = limitOf(flags)
      const isAttention = status === 'attention'
      const orders = await billing.listOrders({
        ...(ownerId === undefined ? {} : { ownerId }),
        ...(status === undefined || isAttention
          ? {}
          : { status: status.split(',').map(requireStatus) }),
        needsAttention: isAttention,
        limit,
        ...afterOf(flags),
      })
      for (const order of orders) say(line(order))
      return { orders, ...nextPage(orders, limit, ({ id }) => id) }
    },
  },

  'orders show': {
    takes: '<id>',
    does: 'show an order and its credit transactions',
    needs: [databaseEnv],
    async run([id = ''], _, billing) {
      const order = await billing.showOrder(id)
      say(line(order))
      for (const { id, type, amount, key } of order.transactions) {
        say(`  ${id}  ${type}  ${amount > 0 ? '+' : ''}${amount}  ${key}`)
      }
      if (order.transactions.length === 0) say('  It has no credit transactions.')
      return order
    },
  },

  'orders reconcile': {
    flags: { order: '<id>', operator: '<name>' },
    does: 'compare one order, or all of the last two days, with the provider, and repair them',
    needs: EVERYTHING,
    acts: true,
    async run(_, flags, billing) {
      const operator = operatorOf(flags)
      if (flags.order === undefined) return reconcileAll(billing, operator)
      const before = await billing.showOrder(flags.order)
      const skipped = await settleOrSkip(billing, flags.order, operator)
      if (skipped) {
        say(`${before.status}, skipped: ${skipped.message}`)
        process.exitCode = 1
        return { order: before, added: [], operator, skipped: skipped.code }
      }
      const order = await billing.showOrder(flags.order)
      const had = new Set(before.transactions.map(({ id }) => id))
      const added = order.transactions.filter(({ id }) => !had.has(id))
      say(`${before.status} → ${line(order)}`)
      say(
        added.length > 0
          ? `Wrote ${added.length} transactions, as ${operator}.`
          : 'No credit transactions were missing.',
      )
      if (order.needsAttention !== null) process.exitCode = 1
      return { order, added, operator, skipped: null }
    },
  },

  'orders refund': {
    takes: '<id>',
    flags: { amount: '<n>', note: '<reason>', key: '<key>', operator: '<name>' },
    does: 'refund an order, in full or --amount in minor units, and take its credits back',
    needs: EVERYTHING,
    acts: true,
    async run([id = ''], flags, billing) {
      const { amount, note, key } = flags
      const order = await billing.refundOrder(id, {
        ...(amount === undefined ? {} : { amount: requireWhole('amount', amount) }),
        ...(note === undefined ? {} : { reason: note }),
        ...(key === undefined ? {} : { idempotencyKey: key }),
        operator: operatorOf(flags),
      })
      say(`${order.amountRefunded} of ${order.amountPaid} ${order.currency} are refunded.`)
      const { orderId, ...rest } = { orderId: order.id, ...(await billing.showOrder(id)) }
      return { orderId, ...rest }
    },
  },
}

/** Settles an order. Returns null, or the error where only another process knows the order. */
async function settleOrSkip(billing: Billing, id: string, operator: string) {
  try {
    await billing.settleOrder(id, { operator })
    return null
  } catch (error) {
    if (isBillingError(error, 'not_known_here')) return error
    throw error
  }
}

async function reconcileAll(billing: Billing, operator: string): Promise<object> {
  const progress = createProgress('payments')
  const report = await billing.reconcileOrders({
    operator,
    onProgress: (done) => progress.show(done, done),
  })
  progress.end()
  for (const day of report.days) say(dayLine(day))
  const { paidWithoutTransaction, transactionsWithoutOrder, differing, mended } = report
  const list = (what: string, ids: readonly string[]) => {
    for (const id of ids) say(`${id}: ${what}`)
  }
  list('repaired', mended)
  list('paid, but without a credit transaction', paidWithoutTransaction)
  list('a credit transaction without an order', transactionsWithoutOrder)
  list('differs from the provider', differing)
  for (const { orderId, reason } of report.skipped) say(`${orderId}: skipped, ${reason}`)
  const wrong = paidWithoutTransaction.length + transactionsWithoutOrder.length + differing.length
  say(`${report.payments} payments compared, ${mended.length} orders repaired, ${wrong} wrong.`)
  if (wrong > 0) process.exitCode = 1
  return report
}

function dayLine({ day, provider, currency, ours, theirs }: DayTotals): string {
  const isSame =
    ours.payments === theirs.payments &&
    ours.paid === theirs.paid &&
    ours.refunded === theirs.refunded
  const cell = ({ payments, paid, refunded }: DayTotals['ours']) =>
    `${payments} paid ${paid} refunded ${refunded}`.padEnd(34)
  return [day, provider.padEnd(6), currency, `ours ${cell(ours)}`, `theirs ${cell(theirs)}`]
    .concat(isSame ? 'same' : 'DIFFERS')
    .join('  ')
}

/** The name of the person who runs the command: `--operator`, else the user name of the system. */
function operatorOf({ operator }: Flags): string {
  if (operator === undefined) return userInfo().username
  if (operator.trim() !== '') return operator
  throw new UsageError('--operator must not be empty.')
}

const STATUSES: readonly OrderStatus[] = ['pending', 'completed', 'cancelled']

function requireStatus(status: string): OrderStatus {
  const found = STATUSES.find((each) => each === status)
  if (found) return found
  const known = `${STATUSES.join(', ')}, or attention alone`
  throw new UsageError(`--status must be ${known}, not ${status}.`)
}

function requireWhole(name: string, text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw new UsageError(`--${name} must be a whole number above 0, not ${text}.`)
}

/** The plan of an order without a SKU, or `subscription` where only an invoice is known; null without an invoice. */
const planOf = ({ plan, interval, invoiceId }: OwnerOrder): string | null =>
  plan !== null ? `${plan} per ${interval}` : invoiceId && 'subscription'

const line = (order: OwnerOrder): string =>
  [
    order.createdAt.toISOString(),
    order.id,
    order.ownerId,
    order.sku ?? planOf(order) ?? 'own amount',
    `${order.amount} ${order.currency}`,
    order.status,
    ...(order.amountRefunded > 0 ? [`${order.amountRefunded} refunded`] : []),
    ...(order.needsAttention === null ? [] : [order.needsAttention]),
  ].join('  ')
