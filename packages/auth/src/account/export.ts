/**
 * What is kept about a person, as one document: without tokens, hashes and secrets, and without what belongs to
 * other people beyond ids and the addresses that the person typed.
 *
 * @module
 */

import type { Database } from '@repo/db'

/** Everything that auth keeps about a person. As JSON, dates are ISO texts. */
export type UserExport = NonNullable<Awaited<ReturnType<typeof exportOf>>>

/** Where a table's rows are in the document. A table that names a user is here, or excepted in a test. */
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
  OauthConsent: 'allowedPrograms',
  OauthRefreshToken: 'programTokens',
  OauthAccessToken: 'programTokens',
  OauthClient: 'ownPrograms',
  AuditLog: 'auditLog',
} as const

const AUDIT_PAGE = 1_000

/** The document of a user; null for one who is gone. `sessionId`: the session that asks. */
export async function exportOf(db: Database, userId: string, sessionId: string) {
  const user = await db.user.findUnique({ where: { id: userId }, select: USER })
  if (!user) return null
  const where = { userId }
  const organization = { select: { name: true } }
  const sessions = await db.session.findMany({ where, select: SESSION })
  const received = { email: user.email }
  return {
    exportedAt: new Date(),
    user,
    accounts: await db.account.findMany({ where, select: ACCOUNT }),
    sessions: sessions.map(({ id, ...session }) => ({ ...session, isCurrent: id === sessionId })),
    passkeys: await db.passkey.findMany({ where, select: PASSKEY }),
    twoFactor: await db.twoFactor.findUnique({
      where,
      select: { verified: true, secretSetAt: true, backupCodesSetAt: true },
    }),
    memberships: await db.member.findMany({
      where,
      select: { organizationId: true, role: true, createdAt: true, organization },
    }),
    invitationsReceived: await db.invitation.findMany({
      where: received,
      select: { ...INVITATION, organization },
    }),
    invitationsSent: await db.invitation.findMany({
      where: { inviterId: userId },
      select: { ...INVITATION, email: true, organizationId: true },
    }),
    emailChanges: await db.emailChange.findMany({
      where,
      select: { oldEmail: true, newEmail: true, createdAt: true, confirmedAt: true },
    }),
    deletion: await db.userDeletion.findUnique({
      where,
      select: { requestedAt: true, dueAt: true, blockedAt: true },
    }),
    lastOrganization: await db.lastOrganization.findUnique({
      where,
      select: { organizationId: true },
    }),
    ...(await programsOf(db, userId)),
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

const PROGRAM = { clientId: true, scopes: true, createdAt: true } as const

/** What other programs may do on the person's behalf, and the programs the person registered. */
async function programsOf(db: Database, userId: string) {
  const where = { userId }
  const client = { select: { name: true } }
  const token = { ...PROGRAM, expiresAt: true, client }
  return {
    allowedPrograms: await db.oauthConsent.findMany({ where, select: { ...PROGRAM, client } }),
    programTokens: [
      ...(await db.oauthRefreshToken.findMany({ where, select: token })),
      ...(await db.oauthAccessToken.findMany({ where, select: token })),
    ],
    ownPrograms: await db.oauthClient.findMany({ where, select: { ...PROGRAM, name: true } }),
  }
}

/**
 * What happened to the person, and what the person did. Of what others did, not from where: the network, the
 * browser and the session are theirs.
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

const UNSEEN = { ip: null, userAgent: null, sessionId: null } as const

/** Nobody signed in is nobody else: who tried to sign in to the account is for the person to see. */
const isOfOther = ({ actorId }: { actorId: string | null }, userId: string): boolean =>
  actorId !== null && actorId !== userId
