/**
 * The session's row, which decides about a session, and its token, which is the refresh credential. A token
 * contains its session's id, so a former token can be recognised as used twice.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { createRandomStringGenerator } from '@better-auth/utils/random'
import { type Database, Prisma, queryNamed } from '@repo/db'
import { ACCESS_SECONDS, type Claims } from './access-token.ts'
import type { Session } from './caller.ts'

/** The length of a session's id, in characters. */
const ID_LENGTH = 32
/** How long a token stays valid after the first use of its successor. */
const GRACE_SECONDS = 10

/** The dependencies of `createSessionRows`. */
export interface SessionRowOptions {
  db: Database
  absoluteSeconds: number
  /** Called when a token is presented after its successor, which means that someone has a copy. */
  onReuse(session: { sessionId: string; userId: string }): void
  /** Waits until this process has heard of an ended session. Default: does not wait. */
  settle?(): Promise<void>
}

/** A session with its present token. */
export interface Presented {
  session: Session
  token: string
}

/** A session's row as guards need it. */
interface Row {
  id: string
  userId: string
  expiresAt: Date
  aal: number
  /** When the session's row was made. Showing the second factor makes a new row. */
  authenticatedAt: Date
  /** The user has a second factor, and the session lacks it. */
  isPending: boolean
  organizationId: string | null
  role: string
  organizationRole: string | null
}

/** The row of a session and its user, as read for a token. */
export interface CookieSession extends Prisma.SessionModel {
  user: Prisma.UserModel
  /**
   * The user's role in the session's organization; null without one, or if the user is not a member of it.
   */
  organizationRole: string | null
  /** The token is the one before the present token, and still valid. */
  isPredecessor: boolean | null
  /** The present token has not been presented yet. */
  isUnseen: boolean
  /** The user has a second factor, and the session lacks it. */
  isPending: boolean
}

/** The answer of the database function "Session_statement". */
interface ClaimsRow extends Row {
  seconds: number
  issuedAt: number
  /** An open transaction has changed the member, whose role is therefore not known yet. */
  isHeld: boolean
}

/** A session that was just made, with the facts about its user that a sign-in needs. */
export interface BegunSession {
  claims: Claims
  /** The account with the password; null without one. */
  accountId: string | null
  /** The hash of the password; null without one. */
  password: string | null
  /** When the user will be deleted; null if the user stays. */
  deletionDueAt: Date | null
  /** How many sessions the user has, including this one. */
  sessions: number
}

/** Makes a new session's id and first token. */
export function newSession(): { id: string; token: string } {
  const id = random()
  return { id, token: `${id}-${random()}` }
}

const generate = createRandomStringGenerator('a-z', 'A-Z', '0-9')
const random = () => generate(ID_LENGTH)

/** The session id in a token; null for an old token that contains none. */
export const sessionIdOf = (token: string): string | null =>
  token[ID_LENGTH] === '-' ? token.slice(0, ID_LENGTH) : null

/** The hash of a token, as `predecessorHash` stores it. */
export const tokenHash = (token: string): string => createHash('sha256').update(token).digest('hex')

/** The columns of one table, for a statement that reads several tables. */
export const columns = (alias: string, fields: object) =>
  Prisma.raw(
    Object.values(fields)
      .map((field) => `${alias}."${field}" AS "${alias}.${field}"`)
      .join(', '),
  )
const SESSION = columns('s', Prisma.SessionScalarFieldEnum)
const USER = columns('u', Prisma.UserScalarFieldEnum)

/** One table's part of a row that `columns` made. */
export const rowOf = <T>(row: Record<string, unknown>, alias: string): T =>
  Object.fromEntries(
    Object.entries(row).flatMap(([name, value]) =>
      name.startsWith(`${alias}.`) ? [[name.slice(alias.length + 1), value]] : [],
    ),
  ) as T

/**
 * Reads a session by its present or a former token; null if the token names no session, or the session has
 * expired.
 */
export async function readCookieSession(
  db: Database,
  token: string,
): Promise<CookieSession | null> {
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
  const { organizationRole, isPending, isPredecessor, isUnseen } = row as unknown as CookieSession
  const user = rowOf<Prisma.UserModel>(row, 'u')
  const session = rowOf<Prisma.SessionModel>(row, 's')
  return { ...session, user, organizationRole, isPending, isPredecessor, isUnseen }
}

/** The functions over session rows. */
export type SessionRows = ReturnType<typeof createSessionRows>

/** Makes the functions over session rows. */
export function createSessionRows({ db, absoluteSeconds, onReuse, settle }: SessionRowOptions) {
  /** Reads a session by its id; null if it has ended or expired. */
  async function read(sessionId: string): Promise<Session | null> {
    const [row] = await queryNamed<Row>(
      db,
      'auth.session',
      Prisma.sql`
      SELECT s."id", s."userId", s."expiresAt", s."aal", s."createdAt" AS "authenticatedAt",
        s."activeOrganizationId" AS "organizationId",
        u."twoFactorEnabled" AND s."aal" < 2 AS "isPending",
        u."role", m."role" AS "organizationRole"
      FROM "Session" s JOIN "User" u ON u."id" = s."userId"
      LEFT JOIN "Member" m
        ON m."organizationId" = s."activeOrganizationId" AND m."userId" = s."userId"
      WHERE s."id" = ${sessionId} AND s."expiresAt" > now()`,
    )
    return row ? sessionOf(row) : null
  }

  /**
   * The session of a token whose signature was checked. The former token stays valid until the present one is
   * first used, because the answer with the present one may have been lost, and for ten seconds after that. A
   * later use means a copied token and ends the session. `found` is the row, if it was already read.
   */
  async function present(
    token: string,
    found: Promise<CookieSession | null> = readCookieSession(db, token),
  ): Promise<Presented | null> {
    const row = await found
    if (!row) return null
    if (row.token !== token && !row.isPredecessor) {
      await endReused(row)
      return null
    }
    if (row.token === token && row.isUnseen) {
      await queryNamed(
        db,
        'auth.seen',
        Prisma.sql`UPDATE "Session" SET "successorSeenAt" = clock_timestamp()
          WHERE "token" = ${token} AND "successorSeenAt" IS NULL`,
      )
    }
    const { activeOrganizationId: organizationId, createdAt: authenticatedAt, user } = row
    const session = sessionOf({ ...row, organizationId, authenticatedAt, role: user.role })
    return { session, token: row.token }
  }

  async function endReused({ id, userId }: CookieSession): Promise<void> {
    const { count } = await db.session.deleteMany({ where: { id } })
    if (count === 0) return
    onReuse({ sessionId: id, userId })
    await settle?.()
  }

  /**
   * Exchanges a valid token for a new one, and extends the session by `idleSeconds`, up to its absolute end.
   * Of several parallel requests one exchanges the token and the others get the same new token. While a
   * former token is still valid, the present token is kept. Null for an invalid token.
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

  /** The claims for an access token now; null if the session has ended or expired. */
  async function state(sessionId: string): Promise<Claims | null> {
    const [row] = await queryNamed<ClaimsRow>(
      db,
      'auth.claims',
      Prisma.sql`SELECT * FROM "Session_statement"(${sessionId})`,
    )
    return row ? claimsOf(row) : null
  }

  /**
   * The answer of `state` for a session that this request has made, with the facts that its sign-in needs.
   */
  async function begun(sessionId: string): Promise<BegunSession | null> {
    const [row] = await queryNamed<ClaimsRow & Omit<BegunSession, 'claims'>>(
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
    return { claims: await claimsOf(row), accountId, password, deletionDueAt, sessions }
  }

  async function claimsOf(row: ClaimsRow): Promise<Claims> {
    const organizationRole = row.isHeld ? await heldRole(row) : row.organizationRole
    const session = sessionOf({ ...row, organizationRole })
    const ends = Math.min(session.expiresAt.getTime(), (row.seconds + ACCESS_SECONDS) * 1000)
    return { session: { ...session, expiresAt: new Date(ends) }, issuedAt: row.issuedAt }
  }

  /** Reads the member's role after waiting for the transaction that holds the row. */
  async function heldRole({ organizationId, userId }: ClaimsRow): Promise<string | null> {
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
  // A user who is no longer a member acts for no organization.
  organizationId: row.organizationRole === null ? null : row.organizationId,
  organizationRole: row.organizationRole,
  acr: `aal${row.aal}`,
  ...(row.isPending ? { mfaRequired: true } : {}),
  authenticatedAt: row.authenticatedAt,
  expiresAt: row.expiresAt,
})
