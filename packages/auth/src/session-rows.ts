/**
 * The session's row: the truth about a session, and the refresh credential. Its token names the
 * session, so that one which is no longer good is known for what it is: used twice.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { type Database, Prisma, queryNamed } from '@repo/db'
import { generateRandomString } from 'better-auth/crypto'
import { ACCESS_SECONDS, type Statement } from './access-token.ts'
import type { Session } from './caller.ts'

const ID_LENGTH = 32
/** How long a token outlives the first use of the one that followed it. */
const GRACE_SECONDS = 10

export interface SessionRowOptions {
  db: Database
  absoluteSeconds: number
  /** Told when a token was presented after its successor: someone has a copy. */
  onReuse(session: { sessionId: string; userId: string }): void
  /** Waits until this process has heard of a session that was ended. Default: nothing is waited for. */
  settle?(): Promise<void>
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

/** The row of a session with that of its user, as a token was presented. */
export interface PresentedRow extends Prisma.SessionModel {
  user: Prisma.UserModel
  /** In the organization that the session acts for. Null: none, or the user is no member of it. */
  organizationRole: string | null
  /** The token is the one before the present one, and still good. */
  isPredecessor: boolean | null
  /** The present token was not presented yet. */
  isUnseen: boolean
  /** The user has a second factor, and the session has not. */
  isPending: boolean
}

/** What the function "Session_statement" answers. */
interface StatementRow extends Row {
  seconds: number
  issuedAt: number
  /** A transaction that is under way has changed the member, whose role is not known yet. */
  isHeld: boolean
}

/** A session that was just made, and what a sign-in asks about its user. */
export interface BegunSession {
  statement: Statement
  /** Of the account with the password; null without one. */
  accountId: string | null
  password: string | null
  /** When the user will be deleted; null: the user stays. */
  deletionDueAt: Date | null
  /** How many the user has, with this one. */
  sessions: number
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

/** The columns of one table, for a statement that answers those of several. */
export const columns = (alias: string, fields: object) =>
  Prisma.raw(
    Object.values(fields)
      .map((field) => `${alias}."${field}" AS "${alias}.${field}"`)
      .join(', '),
  )
const SESSION = columns('s', Prisma.SessionScalarFieldEnum)
const USER = columns('u', Prisma.UserScalarFieldEnum)

/** The columns of one table, of a row that holds those of several. */
export const rowOf = <T>(row: Record<string, unknown>, alias: string): T =>
  Object.fromEntries(
    Object.entries(row).flatMap(([name, value]) =>
      name.startsWith(`${alias}.`) ? [[name.slice(alias.length + 1), value]] : [],
    ),
  ) as T

/** Null for a token that names no session, or one that has run out. The token may be a former one. */
export async function readPresented(db: Database, token: string): Promise<PresentedRow | null> {
  const [row] = await queryNamed<Record<string, unknown>>(
    db,
    'auth.presented',
    Prisma.sql`
      SELECT ${SESSION}, ${USER}, m."role" AS "organizationRole",
        u."twoFactorEnabled" AND s."aal" < 2 AS "isPending",
        s."predecessorHash" = ${tokenHash(token)} AND (s."successorSeenAt" IS NULL
          OR s."successorSeenAt" > now() - make_interval(secs => ${GRACE_SECONDS})) AS "isPredecessor",
        s."predecessorHash" IS NOT NULL AND s."successorSeenAt" IS NULL AS "isUnseen"
      FROM "Session" s JOIN "User" u ON u."id" = s."userId"
      LEFT JOIN "Member" m
        ON m."organizationId" = s."activeOrganizationId" AND m."userId" = s."userId"
      WHERE (s."token" = ${token} OR s."id" = ${sessionIdOf(token)}) AND s."expiresAt" > now()`,
  )
  if (!row) return null
  const { organizationRole, isPending, isPredecessor, isUnseen } = row as unknown as PresentedRow
  const user = rowOf<Prisma.UserModel>(row, 'u')
  const session = rowOf<Prisma.SessionModel>(row, 's')
  return { ...session, user, organizationRole, isPending, isPredecessor, isUnseen }
}

export type SessionRows = ReturnType<typeof createSessionRows>

export function createSessionRows({ db, absoluteSeconds, onReuse, settle }: SessionRowOptions) {
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
   * that it is reuse, and the session is ended. `found`: its row, where it was read already.
   */
  async function present(
    token: string,
    found: Promise<PresentedRow | null> = readPresented(db, token),
  ): Promise<Presented | null> {
    const row = await found
    if (!row) return null
    if (row.token !== token && !row.isPredecessor) {
      await endReused(row)
      return null
    }
    if (row.token === token && row.isUnseen) {
      await db.$executeRaw`UPDATE "Session" SET "successorSeenAt" = clock_timestamp()
        WHERE "token" = ${token} AND "successorSeenAt" IS NULL`
    }
    const { activeOrganizationId: organizationId, createdAt: authenticatedAt, user } = row
    const session = sessionOf({ ...row, organizationId, authenticatedAt, role: user.role })
    return { session, token: row.token }
  }

  async function endReused({ id, userId }: PresentedRow): Promise<void> {
    const { count } = await db.session.deleteMany({ where: { id } })
    if (count === 0) return
    onReuse({ sessionId: id, userId })
    await settle?.()
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

  /** What an access token may say now. Null for a session that was ended or has run out. */
  async function state(sessionId: string): Promise<Statement | null> {
    const [row] = await queryNamed<StatementRow>(
      db,
      'auth.statement',
      Prisma.sql`SELECT * FROM "Session_statement"(${sessionId})`,
    )
    return row ? statementOf(row) : null
  }

  /** A session that the present request has made: the answer of `state`, and what its sign-in asks besides. */
  async function begun(sessionId: string): Promise<BegunSession | null> {
    const [row] = await queryNamed<StatementRow & Omit<BegunSession, 'statement'>>(
      db,
      'auth.begun',
      Prisma.sql`
        SELECT t.*, a."id" AS "accountId", a."password", d."dueAt" AS "deletionDueAt",
          (SELECT count(*)::integer FROM "Session" o WHERE o."userId" = t."userId") AS "sessions"
        FROM "Session_statement"(${sessionId}) t
        LEFT JOIN "Account" a ON a."userId" = t."userId" AND a."providerId" = 'credential'
          AND a."accountId" = t."userId"
        LEFT JOIN "UserDeletion" d ON d."userId" = t."userId"`,
    )
    if (!row) return null
    const { accountId, password, deletionDueAt, sessions } = row
    return { statement: await statementOf(row), accountId, password, deletionDueAt, sessions }
  }

  async function statementOf(row: StatementRow): Promise<Statement> {
    const organizationRole = row.isHeld ? await heldRole(row) : row.organizationRole
    const session = sessionOf({ ...row, organizationRole })
    const ends = Math.min(session.expiresAt.getTime(), (row.seconds + ACCESS_SECONDS) * 1000)
    return { session: { ...session, expiresAt: new Date(ends) }, issuedAt: row.issuedAt }
  }

  /** Waits for the transaction that holds the member's row. */
  async function heldRole({ organizationId, userId }: StatementRow): Promise<string | null> {
    const [member] = await db.$queryRaw<{ role: string }[]>`
      SELECT "role" FROM "Member"
      WHERE "organizationId" = ${organizationId} AND "userId" = ${userId} FOR SHARE`
    return member?.role ?? null
  }

  return { read, present, exchange, state, begun }
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
