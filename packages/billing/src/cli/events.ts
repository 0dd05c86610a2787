/**
 * Commands about stored events.
 *
 * @module
 */

import { databaseEnv } from '@repo/db'
import type { Billing } from '../billing.ts'
import { appEnv } from '../create-context.ts'
import { createProgress } from '../progress.ts'
import { stripeEnv } from '../providers/env.ts'
import type { EventStatus, StoredEvent } from '../webhooks/archive.ts'
import { type Command, say, UsageError } from './command.ts'

// What an event asks for needs all of it, and a try without would be a try used up.
const EVERYTHING = [databaseEnv, stripeEnv, appEnv]

export const eventCommands: Record<string, Command> = {
  'events list': {
    flags: { status: 'pending,dead,…', limit: '100', after: '<id>' },
    does: 'stored events; without --status those that wait for something, the dead first',
    needs: [databaseEnv],
    async run(_, { status, limit, after }, billing) {
      const most = limit === undefined ? 100 : requireLimit(limit)
      const events = await billing.listEvents({
        ...(status !== undefined ? { status: status.split(',').map(requireStatus) } : {}),
        limit: most,
        ...(after !== undefined ? { after } : {}),
      })
      for (const event of events) say(line(event))
      const last = events.at(-1)
      if (last && events.length === most) say(`There may be more: --after=${last.eventId}`)
      if (events.length === 0) say('There are none.')
      return { events }
    },
  },

  'events show': {
    takes: '<id>',
    does: 'one event with its payload',
    needs: [databaseEnv],
    async run([id = ''], _, billing) {
      const { payload, lease, ...event } = await billing.showEvent(id)
      say(line(event))
      say(payload === null ? 'Its payload has been emptied.' : payload)
      return { event: { ...event, payload } }
    },
  },

  'events acknowledge': {
    takes: '<id>…',
    flags: { by: '<name>' },
    does: 'mark flagged and dead events as seen, so that they are not listed any more',
    needs: [databaseEnv],
    acts: true,
    async run(ids, { by }, billing) {
      if (by === undefined || by.trim() === '') throw new UsageError('Say --by, who has looked.')
      const acknowledged = await billing.acknowledgeEvents(ids, { by })
      say(`${acknowledged.length} of ${ids.length} were waiting for that.`)
      return { acknowledged }
    },
  },

  'events replay': {
    takes: '<id>…',
    does: 'process these events once more',
    needs: EVERYTHING,
    acts: true,
    async run(ids, _, billing) {
      for (const id of ids) await billing.replayEvent(id)
      return processWaiting(billing)
    },
  },

  'events retry-dead': {
    does: 'give the events whose tries are used up all their tries again',
    needs: EVERYTHING,
    acts: true,
    async run(_, __, billing) {
      const retried = await billing.retryDeadEvents()
      say(`${retried} events are due again.`)
      return { retried, ...(await processWaiting(billing)) }
    },
  },

  'events process': {
    does: 'process what is due, here and now',
    needs: EVERYTHING,
    acts: true,
    run: (_, __, billing) => processWaiting(billing),
  },

  'events pull': {
    does: 'store what Stripe has and never delivered',
    needs: EVERYTHING,
    acts: true,
    async run(_, __, billing) {
      const progress = createProgress('events')
      const result = await billing.pullEvents({ onProgress: (seen) => progress.show(seen) })
      progress.end()
      say(`Stripe told of ${result.seen} events; ${result.pulled.length} were missing.`)
      if (result.outcome === 'busy') say('Another pull is under way: nothing was looked at.')
      return { ...result, ...(await processWaiting(billing)) }
    },
  },
}

async function processWaiting(billing: Billing): Promise<object> {
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
  throw new UsageError(`${word} is no status; there are ${STATUSES.join(', ')}.`)
}

function requireLimit(text: string): number {
  const limit = Number(text)
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= 10_000) return limit
  throw new UsageError(`--limit must be a whole number from 1 to 10000, not ${text}.`)
}

const line = (event: StoredEvent): string =>
  [
    event.receivedAt.toISOString(),
    event.provider,
    event.type,
    event.eventId,
    event.status,
    event.reason ?? '-',
    `${event.attempts} tries`,
  ].join('  ')
