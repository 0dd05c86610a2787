/**
 * `pnpm billing …`: what a person runs against the environment's Stripe account and database. Words
 * and progress go to standard error; `--json` puts one JSON document on standard output.
 *
 * @module
 */

import { parseArgs } from 'node:util'
import { maskText } from '@repo/core'
import { db } from '@repo/db'
import { billing } from './billing.ts'
import { createProgress } from './progress.ts'
import type { EventStatus, StoredEvent } from './webhooks/archive.ts'

const USAGE = `pnpm billing plans push              make the plans' products and prices at Stripe
pnpm billing sync <owner>…           write what Stripe says of these owners now
pnpm billing reconcile               compare every customer with Stripe, report and mend differences
pnpm billing subscriptions list [<owner>]
                                     subscriptions that run and wait for a decision
pnpm billing subscriptions resolve <owner> [--keep <id>] [--yes]
                                     end all but one and refund them; without --yes only say so
pnpm billing export <owner>          all that billing holds of an owner, as JSON
pnpm billing events list [--status pending,dead,…] [--limit 100]
                                     stored events; without --status those that wait for something
pnpm billing events show <id>        one event with its payload
pnpm billing events replay <id>…     process these events once more
pnpm billing events retry-dead       give the events whose tries are used up all their tries again
pnpm billing events process          process what is due, here and now
pnpm billing events pull             store what Stripe has and never delivered
With --json the result is one JSON document on standard output.`

const say = (line: string) => process.stderr.write(`${line}\n`)

interface Flags {
  status?: string
  limit?: string
  keep?: string
  yes?: boolean
}

type Command = (args: string[], flags: Flags) => Promise<object>

const COMMANDS: Record<string, Command> = {
  async 'plans push'() {
    const made = await billing.pushPlans()
    say(made.length === 0 ? 'Every price is in place.' : `made ${made.join(', ')}`)
    return { made }
  },

  async sync(owners) {
    const results: object[] = []
    for (const [index, ownerId] of owners.entries()) {
      const { written, problems, changes } = await billing.syncCustomer(ownerId, { depth: 'full' })
      const { plan, status } = await billing.getSubscription(ownerId)
      say(`${index + 1}/${owners.length} ${ownerId}: ${plan}${status ? `, ${status}` : ''}`)
      results.push({ ownerId, plan, status, written, problems, changes })
    }
    return { synced: results }
  },

  async reconcile() {
    const progress = createProgress('customers')
    const result = await billing.reconcile({ onProgress: progress.show })
    progress.end()
    for (const { ownerId, changes, deleted } of result.differences) {
      const what = changes.map(({ object, id, from, to }) =>
        to ? `${object} ${id} ${from ?? 'new'} → ${to}` : `${object} ${id}`,
      )
      say(`${ownerId}: ${deleted ? 'deleted at the provider' : what.join(', ')}`)
    }
    for (const { ownerId, reason } of result.failed) say(`${ownerId}: not compared (${reason})`)
    say(`${result.customers} customers, ${result.differences.length} differed and are mended.`)
    return result
  },

  async 'subscriptions list'([ownerId]) {
    const flagged = await billing.listFlagged(ownerId)
    for (const { ownerId: owner, stripeSubscriptionId, status, needsAttention } of flagged) {
      say([owner, stripeSubscriptionId, status, needsAttention].join('  '))
    }
    if (flagged.length === 0) say('There are none.')
    return { flagged }
  },

  async 'subscriptions resolve'([ownerId = ''], { keep, yes = false }) {
    const resolutions = await billing.resolveSubscriptions(ownerId, {
      confirmed: yes,
      ...(keep ? { keep } : {}),
    })
    for (const { stripeSubscriptionId, refund } of resolutions) {
      const money = refund
        ? `${refund.amount} ${refund.currency} given back`
        : 'nothing to give back'
      say(`${stripeSubscriptionId}: ${yes ? 'ended' : 'would be ended'}, ${money}`)
    }
    if (resolutions.length === 0) say('There is nothing to resolve.')
    else if (!yes) say('Nothing was changed. Say --yes to do it.')
    return { done: yes, resolutions }
  },

  async export([ownerId = '']) {
    const data = await billing.exportOwner(ownerId)
    if (!data) throw new Error(`Billing holds nothing of ${ownerId}.`)
    say(JSON.stringify(data, null, 2))
    return data
  },

  async 'events list'(_, { status, limit }) {
    const events = await billing.listEvents({
      ...(status ? { status: status.split(',').map(requireStatus) } : {}),
      ...(limit ? { limit: requireLimit(limit) } : {}),
    })
    for (const event of events) say(line(event))
    if (events.length === 0) say('There are none.')
    return { events }
  },

  async 'events show'([id = '']) {
    const { payload, lease, ...event } = await billing.showEvent(id)
    say(line(event))
    say(payload === null ? 'Its payload has been emptied.' : payload)
    return { event: { ...event, payload } }
  },

  async 'events replay'(ids) {
    for (const id of ids) await billing.replayEvent(id)
    return processWaiting()
  },

  async 'events retry-dead'() {
    say(`${await billing.retryDeadEvents()} events are due again.`)
    return processWaiting()
  },

  'events process': () => processWaiting(),

  async 'events pull'() {
    const progress = createProgress('events')
    const result = await billing.pullEvents({ onProgress: (seen) => progress.show(seen) })
    progress.end()
    say(`Stripe told of ${result.seen} events; ${result.pulled.length} were missing.`)
    return { ...result, ...(await processWaiting()) }
  },
}

async function processWaiting(): Promise<object> {
  const { processed, waiting, dead } = await billing.processEvents()
  say(`${processed} processed, ${waiting} put off, ${dead} dead`)
  return { processed, waiting, dead }
}

const STATUSES: readonly EventStatus[] = [
  'pending',
  'processed',
  'ignored',
  'needs_attention',
  'dead',
]

function requireStatus(word: string): EventStatus {
  const status = STATUSES.find((known) => known === word)
  if (status) return status
  throw new Error(`${word} is no status; there are ${STATUSES.join(', ')}.`)
}

function requireLimit(text: string): number {
  const limit = Number(text)
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= 10_000) return limit
  throw new Error(`--limit must be a whole number from 1 to 10000, not ${text}.`)
}

const line = (event: Pick<StoredEvent, keyof StoredEvent>): string =>
  [
    event.receivedAt.toISOString(),
    event.provider,
    event.type,
    event.eventId,
    event.status,
    event.reason ?? '-',
    `${event.attempts} tries`,
  ].join('  ')

/** The commands that work on what they are told, and need to be told it. */
const NEEDS_ARGUMENTS = new Set([
  'sync',
  'export',
  'events show',
  'events replay',
  'subscriptions resolve',
])
const TAKES_ARGUMENTS = new Set([...NEEDS_ARGUMENTS, 'subscriptions list'])

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      status: { type: 'string' },
      limit: { type: 'string' },
      keep: { type: 'string' },
      yes: { type: 'boolean' },
    },
  })
  const { json, ...flags } = values
  const words = Object.hasOwn(COMMANDS, positionals[0] ?? '') ? 1 : 2
  const name = positionals.slice(0, words).join(' ')
  const args = positionals.slice(words)
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  const isWrong =
    (args.length === 0 && NEEDS_ARGUMENTS.has(name)) ||
    (args.length > 0 && !TAKES_ARGUMENTS.has(name))
  if (!command || isWrong) throw new Error(USAGE)
  try {
    const result = await command(args, flags as Flags)
    if (json) process.stdout.write(`${JSON.stringify(result)}\n`)
  } finally {
    await db.$disconnect().catch(() => {})
  }
}

main().catch((error: unknown) => {
  say(maskText(error instanceof Error ? error.message : String(error)))
  process.exitCode = 1
})
