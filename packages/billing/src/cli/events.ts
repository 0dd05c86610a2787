/**
 * Commands about stored events.
 *
 * @module
 */

import { createProgress } from '@repo/core/cli'
import { databaseEnv } from '@repo/db'
import type { Billing } from '../billing.ts'
import { appEnv } from '../create-context.ts'
import { stripeEnv } from '../providers/env.ts'
import type { EventStatus, StoredEvent } from '../webhooks/events.ts'
import { afterOf, type Command, limitOf, nextPage, say, UsageError } from './command.ts'

// Processing an event needs all of these. Without one, each event would use up a try.
const EVERYTHING = [databaseEnv, stripeEnv, appEnv]

/** The commands `events …`. */
export const eventCommands: Record<string, Command> = {
  'events list': {
    flags: { status: 'pending,dead,…', limit: '100', after: '<id>' },
    does: 'list stored events; without --status those that wait, the dead ones first',
    needs: [databaseEnv],
    async run(_, flags, billing) {
      const { status } = flags
      const limit = limitOf(flags)
      const events = await billing.listEvents({
        ...(status !== undefined ? { status: status.split(',').map(requireStatus) } : {}),
        limit,
        ...afterOf(flags),
      })
      for (const event of events) say(line(event))
      return { events, ...nextPage(events, limit, ({ eventId }) => eventId) }
    },
  },

  'events show': {
    takes: '<id>',
    does: 'show an event with its payload',
    needs: [databaseEnv],
    async run([id = ''], _, billing) {
      const { payload, lease, ...event } = await billing.showEvent(id)
      say(line(event))
      say(payload === null ? 'Its payload was erased.' : payload)
      return { event: { ...event, payload } }
    },
  },

  'events acknowledge': {
    takes: '<id>…',
    flags: { by: '<name>' },
    does: 'mark flagged and dead events as seen, so that they are no longer listed',
    needs: [databaseEnv],
    acts: true,
    async run(ids, { by }, billing) {
      if (by === undefined || by.trim() === '') {
        throw new UsageError('--by is required: name the person who has looked at the events.')
      }
      const acknowledged = await billing.acknowledgeEvents(ids, { by })
      say(`${acknowledged.length} of ${ids.length} events were marked as seen.`)
      return { acknowledged }
    },
  },

  'events replay': {
    takes: '<id>…',
    does: 'process these events again',
    needs: EVERYTHING,
    acts: true,
    async run(ids, _, billing) {
      for (const id of ids) await billing.replayEvent(id)
      return processWaiting(billing)
    },
  },

  'events retry-dead': {
    does: 'retry the dead events, with all their tries',
    needs: EVERYTHING,
    acts: true,
    async run(_, __, billing) {
      const retried = await billing.retryDeadEvents()
      say(`${retried} events are due again.`)
      return { retried, ...(await processWaiting(billing)) }
    },
  },

  'events process': {
    does: 'process the events that are due, now and in this process',
    needs: EVERYTHING,
    acts: true,
    run: (_, __, billing) => processWaiting(billing),
  },

  'events pull': {
    does: 'store the events that Stripe has but never delivered',
    needs: EVERYTHING,
    acts: true,
    async run(_, __, billing) {
      const progress = createProgress('events')
      const result = await billing.pullEvents({ onProgress: (seen) => progress.show(seen) })
      progress.end()
      say(`Stripe listed ${result.seen} events; ${result.pulled.length} were missing.`)
      if (result.outcome === 'busy') say('Another pull is running, so nothing was pulled.')
      return { ...result, ...(await processWaiting(billing)) }
    },
  },
}

async function processWaiting(billing: Billing): Promise<object> {
  const { processed, waiting, dead } = await billing.processEvents()
  say(`${processed} processed, ${waiting} postponed, ${dead} dead`)
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
  throw new UsageError(`--status must be ${STATUSES.join(', ')}, not ${word}.`)
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
