/**
 * The session's row: the truth about a session, and the refresh credential. Its token names the
 * session, so that one which is no longer good is known for what it is: used twice.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import type { Database } from '@repo/db'
import { generateRandomString } from 'better-auth/crypto'
import { ACCESS_SECONDS, type Statement } from './access-token.ts'
import type { Session } from './session.ts'

const ID_LENGTH = 32
/** How long a token outlives the first use of the one that followed it. */
const GRACE_SECONDS = 10

export interface SessionRowOptions {
  db: Database
  absoluteSeconds: number
  /** Told when a token was presented after its successor: someone has a copy. */
  onReuse(session: { sessionId: string; userId: string }): void
}

/** A session as it stands, with the token that is good now. */
export interface Presented {
  session: Session
  token: string
}

interface Row {
  id: string
  userId: string
  expiresAt: Date
  aal: number
  /** Of the session's row: a step-up makes a new one. */
  authenticatedAt: Date
  /** The user has a second factor, and the session has not. */
  isPending: boolean
  organizationId: string | null
  role: string
  organizationRole: string | null
}

interface PresentedRow extends Row {
  token: string
  isPredecessor: boolean | null
  isUnseen: boolean
}

/** A new session's id and its first token. */
export function newSession(): { id: string; token: string } {
  const id = random()
  return { id, token: `${id}-${random()}` }
}

const random = () => generateRandomString(ID_LENGTH, 'a-z', 'A-Z', '0-9')

/** The session that a token names; null for a token from before they did. */
export const sessionIdOf = (token: string): string | null =>
  token[ID_LENGTH] === '-' ? token.slice(0, ID_LENGTH) : null

/** As `predecessorHash` keeps it. */
export const tokenHash = (token: string): string => createHash('sha256').update(token).digest('hex')

export type SessionRows = ReturnType<typeof createSessionRows>

export function createSessionRows({ db, absoluteSeconds, onReuse }: SessionRowOptions) {
  /** Null for a session that was ended or has run out. */
  async function read(sessionId: string): Promise<Session | null> {
    const [row] = await db.$queryRaw<Row[]>`
      SELECT s."id", s."userId", s."expiresAt", s."aal", s."createdAt" AS "authenticatedAt",
        s."activeOrganizationId" AS "organizationId",
        u."twoFactorEnabled" AND s."aal" < 2 AS "isPending",
        u."role", m."role" AS "organizationRole"
      FROM "Session" s JOIN "User" u ON u."id" = s."userId"
      LEFT JOIN "Member" m
        ON m."organizationId" = s."activeOrganizationId" AND m."userId" = s."userId"
      WHERE s."id" = ${sessionId} AND s."expiresAt" > now()`
    return row ? sessionOf(row) : null
  }

  /**
   * The session of a token whose signature was checked. Its predecessor is as good until the token
   * was seen, because the answer that carried it may have been lost, and ten seconds more. After
   * that it is reuse, and the session is ended.
   */
  async function present(token: string): Promise<Presented | null> {
    const [row] = await db.$queryRaw<PresentedRow[]>`
      SELECT s."id", s."userId", s."expiresAt", s."aal", s."createdAt" AS "authenticatedAt",
        s."activeOrganizationId" AS "organizationId",
        u."twoFactorEnabled" AND s."aal" < 2 AS "isPending",
        u."role", m."role" AS "organizationRole", s."token",
        s."predecessorHash" = ${tokenHash(token)} AND (s."successorSeenAt" IS NULL
          OR s."successorSeenAt" > now() - make_interval(secs => ${GRACE_SECONDS})) AS "isPredecessor",
        s."predecessorHash" IS NOT NULL AND s."successorSeenAt" IS NULL AS "isUnseen"
      FROM "Session" s JOIN "User" u ON u."id" = s."userId"
      LEFT JOIN "Member" m
        ON m."organizationId" = s."activeOrganizationId" AND m."userId" = s."userId"
      WHERE (s."token" = ${token} OR s."id" = ${sessionIdOf(token)}) AND s."expiresAt" > now()`
    if (!row) return null
    if (row.token !== token && !row.isPredecessor) {
      await endReused(row)
      return null
    }
    if (row.token === token && row.isUnseen) {
      await db.$executeRaw`UPDATE "Session" SET "successorSeenAt" = clock_timestamp()
        WHERE "token" = ${token} AND "successorSeenAt" IS NULL`
    }
    return { session: sessionOf(row), token: row.token }
  }

  async function endReused({ id, userId }: Row): Promise<void> {
    const { count } = await db.session.deleteMany({ where: { id } })
    if (count > 0) onReuse({ sessionId: id, userId })
  }

  /**
   * A new token for a good one, and the session lives on for `idleSeconds`, up to its absolute end.
   * Of several at once one is exchanged and the others get its successor. While a predecessor is
   * still good the token stays as it is. Null for a token that is not good.
   */
  async function exchange(token: string, idleSeconds: number): Promise<Presented | null> {
    await db.$executeRaw`
      UPDATE "Session" SET "token" = "id" || '-' || ${random()},
        "predecessorHash" = ${tokenHash(token)}, "successorSeenAt" = NULL
      WHERE "token" = ${token} AND "expiresAt" > now() AND ("predecessorHash" IS NULL
        OR "successorSeenAt" <= now() - make_interval(secs => ${GRACE_SECONDS}))`
    const presented = await present(token)
    if (!presented) return null
    const [row] = await db.$queryRaw<{ expiresAt: Date }[]>`
      UPDATE "Session" SET "updatedAt" = now(), "expiresAt" = least(
        now() + make_interval(secs => ${idleSeconds}),
        "createdAt" + make_interval(secs => ${absoluteSeconds}))
      WHERE "id" = ${presented.session.sessionId} RETURNING "expiresAt"`
    return row ? { ...presented, session: { ...presented.session, ...row } } : null
  }

  /**
   * What an access token may say now. The rows are locked while they are read and the date is the
   * database's, so that a change is in the token or denies it; see the migration.
   */
  async function state(sessionId: string): Promise<Statement | null> {
    const [row] = await db.$queryRaw<(Row & { seconds: number; issuedAt: number })[]>`
      SELECT s."id", s."userId", s."expiresAt", s."aal", s."createdAt" AS "authenticatedAt",
        s."activeOrganizationId" AS "organizationId",
        u."twoFactorEnabled" AND s."aal" < 2 AS "isPending",
        u."role", NULL AS "organizationRole", t."seconds",
        greatest(t."seconds", (SELECT max("notBefore") FROM "AccessDenial"
          WHERE "subject" IN (s."id", s."userId"))) AS "issuedAt"
      FROM "User" u JOIN "Session" s ON s."userId" = u."id",
        LATERAL (SELECT floor(extract(epoch FROM clock_timestamp()))::integer AS "seconds") t
      WHERE s."id" = ${sessionId} AND s."expiresAt" > now() FOR SHARE OF u, s`
    if (!row) return null
    if (row.organizationId !== null) {
      const [member] = await db.$queryRaw<{ role: string }[]>`
        SELECT "role" FROM "Member"
        WHERE "organizationId" = ${row.organizationId} AND "userId" = ${row.userId} FOR SHARE`
      row.organizationRole = member?.role ?? null
    }
    const session = sessionOf(row)
    const ends = Math.min(session.expiresAt.getTime(), (row.seconds + ACCESS_SECONDS) * 1000)
    return { session: { ...session, expiresAt: new Date(ends) }, issuedAt: row.issuedAt }
  }

  return { read, present, exchange, state }
}

const sessionOf = (row: Row): Session => ({
  sessionId: row.id,
  userId: row.userId,
  role: row.role,
  // Who is no member any more acts for nobody but themselves.
  organizationId: row.organizationRole === null ? null : row.organizationId,
  organizationRole: row.organizationRole,
  acr: `aal${row.aal}`,
  ...(row.isPending ? { mfaRequired: true } : {}),
  authenticatedAt: row.authenticatedAt,
  expiresAt: row.expiresAt,
})
