/**
 * Exports everything that auth stores about a user, as one document. It holds no tokens, hashes or secrets.
 * Of other people it holds only ids, and addresses that the user typed.
 *
 * @module
 */

import type { Database } from '@repo/db'
import type { OwnFields } from './user-fields.ts'

/** Everything that auth stores about a user. In JSON, dates are ISO texts. */
export type UserExport = NonNullable<Awaited<ReturnType<typeof exportOf>>>

/**
 * The document's key for each table. A table that names a user must be listed here, or be excepted in a test.
 */
export const EXPORTED = {
  User: 'user',
  Account: 'accounts',
  Session: 'sessions',
  Passkey: 'passkeys',
  TwoFactor: 'twoFactor',
  Member: 'memberships',
  Invitation: 'invitationsSent',
  EmailChange: 'emailChanges',
  UserDeletion: 'deletion',
  LastOrganization: 'lastOrganization',
  OauthConsent: 'allowedPrograms', // #oauth-server
  OauthRefreshToken: 'programTokens', // #oauth-server
  OauthAccessToken: 'programTokens', // #oauth-server
  OauthClient: 'ownPrograms', // #oauth-server
  AuditLog: 'auditLog',
} as const

/** How many entries of the audit log are read at a time. */
const AUDIT_PAGE = 1_000

/** Makes the document; null if the user no longer exists. `sessionId` is the session of the request. */
export async function exportOf(db: Database, own: OwnFields, userId: string, sessionId: string) {
  const columns = Object.fromEntries([...own.all.keys()].map((name) => [name, true]))
  const select = { ...columns, ...USER } as typeof USER & { locale: true }
  const user = await db.user.findUnique({ where: { id: userId }, select })
  if (!user) return null
  const where = { userId }
  const organization = { select: { name: true } }
  const sessions = await db.session.findMany({ where, select: SESSION })
  const received = { email: user.email }
  return {
    /** When this document was made. */
    exportedAt: new Date(),
    /** The user's row with the host's own fields, without internal fields. */
    user,
    /** The linked logins, without passwords and tokens. */
    accounts: await db.account.findMany({ where, select: ACCOUNT }),
    /** The sessions that have not ended. `isCurrent` marks the session of the request. */
    sessions: sessions.map(({ id, ...session }) => ({ ...session, isCurrent: id === sessionId })),
    /** The passkeys, without their keys. */
    passkeys: await db.passkey.findMany({ where, select: PASSKEY }),
    /** When the second factor was set up; null without one. The secret is left out. */
    twoFactor: await db.twoFactor.findUnique({
      where,
      select: { verified: true, secretSetAt: true, backupCodesSetAt: true },
    }),
    /** The organizations that the user is a member of. */
    memberships: await db.member.findMany({
      where,
      select: { organizationId: true, role: true, createdAt: true, organization },
    }),
    /** Invitations to the user's address. */
    invitationsReceived: await db.invitation.findMany({
      where: received,
      select: { ...INVITATION, organization },
    }),
    /** Invitations that the user has sent. */
    invitationsSent: await db.invitation.findMany({
      where: { inviterId: userId },
      select: { ...INVITATION, email: true, organizationId: true },
    }),
    /** Changes of the address, with the old and the new one. */
    emailChanges: await db.emailChange.findMany({
      where,
      select: { oldEmail: true, newEmail: true, createdAt: true, confirmedAt: true },
    }),
    /** The deletion that the user has asked for; null without one. */
    deletion: await db.userDeletion.findUnique({
      where,
      select: { requestedAt: true, dueAt: true, blockedAt: true },
    }),
    /** The organization that the user acted for last; null without one. */
    lastOrganization: await db.lastOrganization.findUnique({
      where,
      select: { organizationId: true },
    }),
    ...(await programsOf(db, userId)), // #oauth-server
    /** Entries of the audit log about the user, and of the user's own acts. */
    auditLog: await auditLogOf(db, userId),
  }
}

const USER = {
  id: true,
  name: true,
  email: true,
  emailVerified: true,
  image: true,
  role: true,
  twoFactorEnabled: true,
  createdAt: true,
  updatedAt: true,
} as const

const ACCOUNT = {
  providerId: true,
  accountId: true,
  scope: true,
  createdAt: true,
  updatedAt: true,
} as const

const SESSION = {
  id: true,
  createdAt: true,
  updatedAt: true,
  expiresAt: true,
  ipAddress: true,
  userAgent: true,
  activeOrganizationId: true,
  aal: true,
} as const

const PASSKEY = {
  name: true,
  deviceType: true,
  backedUp: true,
  transports: true,
  aaguid: true,
  createdAt: true,
} as const

const INVITATION = { role: true, status: true, createdAt: true, expiresAt: true } as const

const PROGRAM = { clientId: true, scopes: true, createdAt: true } as const // #oauth-server

// #region oauth-server
/** The clients that act on the user's behalf, and the clients that the user registered. */
async function programsOf(db: Database, userId: string) {
  const where = { userId }
  const client = { select: { name: true } }
  const token = { ...PROGRAM, expiresAt: true, client }
  return {
    /** The OAuth clients that may act for the user. */
    allowedPrograms: await db.oauthConsent.findMany({ where, select: { ...PROGRAM, client } }),
    /** The tokens of these clients, without the tokens themselves. */
    programTokens: [
      ...(await db.oauthRefreshToken.findMany({ where, select: token })),
      ...(await db.oauthAccessToken.findMany({ where, select: token })),
    ],
    /** The OAuth clients that the user has registered. */
    ownPrograms: await db.oauthClient.findMany({ where, select: { ...PROGRAM, name: true } }),
  }
}
// #endregion

/**
 * The entries about the user and those of the user's own acts. The network, browser and session of other
 * people's acts are left out.
 */
async function auditLogOf(db: Database, userId: string) {
  const read = (after: string) =>
    db.auditLog.findMany({
      where: { OR: [{ userId }, { actorId: userId }], id: { gt: after } },
      orderBy: { id: 'asc' },
      take: AUDIT_PAGE,
      omit: { subject: true },
    })
  const entries: Awaited<ReturnType<typeof read>> = []
  for (let page = await read(''); page.length > 0; page = await read(entries.at(-1)?.id ?? '')) {
    entries.push(
      ...page.map((entry) => (isOfOther(entry, userId) ? { ...entry, ...UNSEEN } : entry)),
    )
    if (page.length < AUDIT_PAGE) break
  }
  return entries
}

/** The fields that are left out of other people's acts. */
const UNSEEN = { ip: null, userAgent: null, sessionId: null } as const

/**
 * Whether another user did it. An act without a signed-in user counts as the user's own, so that they see
 * attempts to sign in.
 */
const isOfOther = ({ actorId }: { actorId: string | null }, userId: string): boolean =>
  actorId !== null && actorId !== userId
