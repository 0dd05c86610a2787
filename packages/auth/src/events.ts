/**
 * Events for the host: a user was created, was deleted or changed the address, or an organization's members
 * changed. The database writes an event in the transaction of the change, so none is lost. An event is
 * deleted once the host's handler succeeds. If the handler throws or the process dies, the event is tried
 * again after a minute, then two, then four, up to an hour apart, until the handler succeeds. A handler may
 * therefore be called more than once. It gets an id and should read the present state: waiting events about
 * the same subject become one.
 *
 * @module
 */

import type { Logger } from '@repo/core'
import type { Database } from '@repo/db'

/** The user whom an event is about. */
export interface EventUser {
  /** The user's id. The row is gone after a deletion. */
  id: string
}

/** The organization that an event is about. */
export interface EventOrganization {
  /** The organization's id. */
  id: string
  /** The number of its members now; 0 if the organization is gone. */
  members: number
}

/** The host's handlers. */
export interface AuthEvents {
  /** A user signed up, or signed in with a provider for the first time. */
  userCreated?: (user: EventUser) => Promise<unknown>
  /** For a user who is deleted before `userCreated` was called, only this is called. */
  userDeleted?: (user: EventUser) => Promise<unknown>
  /** The new address is in the user's row. */
  emailChanged?: (user: EventUser) => Promise<unknown>
  /** A member joined, left or changed roles. */
  membersChanged?: (organization: EventOrganization) => Promise<unknown>
}

/** Delivers the events of one instance. */
export interface EventDelivery {
  /** Delivers the events that are due. A call during a running delivery makes that delivery look again. */
  deliver(): Promise<void>
  /** The worker's job: delivers the events that are due, and deletes old events without a handler. */
  work(): Promise<void>
}

/** The name of the worker's job. */
export const DELIVER_EVENTS = 'auth.deliverEvents'

/** The names of the events and of their handlers. */
const NAMES = ['userCreated', 'userDeleted', 'emailChanged', 'membersChanged'] as const

/** An event as a delivery reads it. */
interface Row {
  name: (typeof NAMES)[number]
  subjectId: string
  version: number
  attempts: number
}

/** Makes the delivery of events to `handlers`. */
export function createEvents(db: Database, handlers: AuthEvents, logger: Logger): EventDelivery {
  const handled = NAMES.filter((name) => handlers[name])
  let running: Promise<void> | null = null
  let again = false

  async function claim(): Promise<Row | undefined> {
    const [row] = await db.$queryRaw<Row[]>`
      UPDATE "AuthEvent" SET
        "attempts" = "attempts" + 1,
        "nextAttemptAt" = clock_timestamp() + interval '1 minute' * least(60, 2 ^ least("attempts", 6))
      WHERE ("name", "subjectId") = (
        SELECT "name", "subjectId" FROM "AuthEvent"
        WHERE "name" = ANY(${handled}) AND "nextAttemptAt" <= now()
        ORDER BY "nextAttemptAt" LIMIT 1 FOR UPDATE SKIP LOCKED)
      RETURNING "name", "subjectId", "version", "attempts"`
    return row
  }

  async function tell({ name, subjectId: id }: Row): Promise<void> {
    if (name !== 'membersChanged') await handlers[name]?.({ id })
    else {
      const members = await db.member.count({ where: { organizationId: id } })
      await handlers.membersChanged?.({ id, members })
    }
  }

  async function pass(): Promise<void> {
    for (let row = await claim(); row; row = await claim()) {
      const { name, subjectId, version, attempts } = row
      try {
        await tell(row)
      } catch (error) {
        logger.error(
          { event: name, subjectId, attempts, error },
          'an event handler failed; it is called again later',
        )
        continue
      }
      // If the subject changed while the handler ran, the row has a new version and is delivered again.
      const { count } = await db.authEvent.deleteMany({ where: { name, subjectId, version } })
      if (count === 0) {
        await db.$executeRaw`
          UPDATE "AuthEvent" SET "attempts" = 0, "nextAttemptAt" = clock_timestamp()
          WHERE "name" = ${name} AND "subjectId" = ${subjectId}`
      }
    }
  }

  function deliver(): Promise<void> {
    if (handled.length === 0) return Promise.resolve()
    again = running !== null
    running ??= (async () => {
      try {
        do {
          again = false
          await pass()
        } while (again)
      } finally {
        running = null
      }
    })()
    return running
  }

  /** Events without a handler in this process are kept for 30 days, in case a process with one starts. */
  const forget = () => db.$executeRaw`
    DELETE FROM "AuthEvent"
    WHERE "attempts" = 0 AND "createdAt" < now() - interval '30 days'
      AND "name" <> ALL(${handled})`

  return {
    deliver,
    async work() {
      await deliver()
      await forget()
    },
  }
}
