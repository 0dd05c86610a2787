/**
 * What a host is told: that a user came, went or has another address, that the members of an
 * organization changed. The database writes an event in the transaction of the fact, so none is lost;
 * it is deleted when the host's handler is done, so a handler that throws, or a process that dies, is
 * tried again: after a minute, then two, then four, an hour at the most, until it succeeds. An event
 * is told at least once, and says whom to look at rather than what to write: those of one subject that
 * wait together are told as one.
 *
 * @module
 */

import type { Logger } from '@repo/core'
import type { Database } from '@repo/db'

export interface AuthEvents {
  userCreated?: (user: { id: string }) => Promise<unknown>
  /** One who goes before they were told of is told of here alone. */
  userDeleted?: (user: { id: string }) => Promise<unknown>
  /** The address is in the user's row. */
  emailChanged?: (user: { id: string }) => Promise<unknown>
  /** Somebody joined, left or has another role. `members`: how many there are now, 0 when it is gone. */
  membersChanged?: (organization: { id: string; members: number }) => Promise<unknown>
}

export interface EventDelivery {
  /** Tells of what is due. A second call while one runs makes that one look again. */
  deliver(): Promise<void>
  /** What a worker does: tells of what an earlier try could not, and forgets what nobody handles. */
  work(): Promise<void>
}

export const DELIVER_EVENTS = 'auth.deliverEvents'

const NAMES = ['userCreated', 'userDeleted', 'emailChanged', 'membersChanged'] as const

interface Row {
  name: (typeof NAMES)[number]
  subjectId: string
  version: number
  attempts: number
}

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
          'event failed, will be tried again',
        )
        continue
      }
      // What happened meanwhile the handler may not have seen: it is told of it as of something new.
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

  /** Events that no process has a handler for are kept for a month, in case one comes to have it. */
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
