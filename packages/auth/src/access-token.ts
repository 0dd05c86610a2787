/**
 * The access token: a signed statement about a session, five minutes long, without personal data.
 * Verified without a database; what was verified is kept, and its end is still looked at each time.
 *
 * @module
 */

import { type CryptoKey, type JWTVerifyGetKey, jwtVerify, SignJWT } from 'jose'
import type { Session } from './caller.ts'
import { cookiesAt, readCookie } from './cookies.ts'

/** A token lives this long; at the edge a revoked session does, too. */
export const ACCESS_SECONDS = 300

/** Of a key pair: ECDSA on P-256, or RSA with SHA-256 for verifiers that know no other. */
export type AccessTokenAlg = 'ES256' | 'RS256'

const ALGORITHMS: AccessTokenAlg[] = ['ES256', 'RS256']
const LONGEST_TOKEN = 4096
const REMEMBERED = 1_000
const KEY_LENGTH = 24

/** What a token says, verified. */
export interface Statement {
  session: Session
  /** Seconds since 1970. */
  issuedAt: number
}

export interface Verifier {
  /** The name of the cookie that holds a token. */
  cookie: string
  /** The statement of a token that was verified before and has not ended; null for any other. */
  recall(token: string): Statement | null
  /** The token's statement; null for anything expired, forged, or meant for others. */
  verify(token: string): Promise<Statement | null>
}

export interface Signer {
  alg: string
  kid: string
  privateKey: CryptoKey
}

/** The statement as a token that ends when its session says so. */
export function signAccessToken(
  origin: string,
  { alg, kid, privateKey }: Signer,
  { session, issuedAt }: Statement,
): Promise<string> {
  return new SignJWT({
    sid: session.sessionId,
    role: session.role,
    acr: session.acr,
    auth_time: Math.floor(session.authenticatedAt.getTime() / 1000),
    ...(session.mfaRequired ? { mfa: 'required' } : {}),
    ...(session.organizationId
      ? { org: session.organizationId, orgRole: session.organizationRole }
      : {}),
  })
    .setProtectedHeader({ alg, kid, typ: 'at+jwt' })
    .setIssuer(origin)
    .setAudience(origin)
    .setSubject(session.userId)
    .setIssuedAt(issuedAt)
    .setExpirationTime(Math.floor(session.expiresAt.getTime() / 1000))
    .sign(privateKey)
}

/** Verifies tokens that `origin` issued for itself, with a key that `keys` finds. */
export function createVerifier(origin: string, keys: JWTVerifyGetKey): Verifier {
  const options = {
    algorithms: ALGORITHMS,
    issuer: origin,
    audience: origin,
    typ: 'at+jwt',
    requiredClaims: ['exp', 'iat', 'sub', 'sid'],
  }
  // Two halves: where the newer is full the older is forgotten. That costs nothing, and finding the
  // oldest of one Map costs more than the rest.
  let newer = new Map<string, Verified>()
  let older = newer
  const remember = (key: string, verified: Verified) => {
    if (newer.size >= REMEMBERED / 2) {
      older = newer
      newer = new Map()
    }
    newer.set(key, verified)
  }
  return {
    cookie: cookiesAt(origin).access,
    recall(token) {
      const key = keyOf(token)
      const known = newer.get(key) ?? older.get(key)
      if (known?.token !== token || known.endsAt <= Date.now()) return null
      if (!newer.has(key)) remember(key, known)
      return copyOf(known.statement)
    },
    async verify(token) {
      if (token.length > LONGEST_TOKEN) return null
      // Expired, forged, of another issuer, or the keys cannot be had: nobody is signed in.
      const verified = await jwtVerify(token, keys, options).catch(() => null)
      const statement = verified && statementOf(verified.payload)
      if (!statement) return null
      const endsAt = statement.session.expiresAt.getTime()
      remember(keyOf(token), { token, statement, endsAt })
      return copyOf(statement)
    },
  }
}

/** The end of the signature tells tokens apart; a whole one takes long to look up. */
const keyOf = (token: string): string => token.slice(-KEY_LENGTH)

interface Verified {
  token: string
  statement: Statement
  endsAt: number
}

/** For the caller to keep and to change. */
const copyOf = ({ session, issuedAt }: Statement): Statement => ({
  session: {
    ...session,
    authenticatedAt: new Date(session.authenticatedAt),
    expiresAt: new Date(session.expiresAt),
  },
  issuedAt,
})

function statementOf(claims: Record<string, unknown>): Statement | null {
  const { sub, sid, role, org, orgRole, acr, auth_time, mfa, iat, exp, client_id } = claims
  const userId = textOf(sub)
  const sessionId = textOf(sid)
  // Another program's token is not a session, whatever it is for.
  if (!userId || !sessionId || client_id !== undefined) return null
  if (typeof iat !== 'number' || typeof exp !== 'number') return null
  const session: Session = {
    userId,
    sessionId,
    role: textOf(role) ?? 'USER',
    organizationId: textOf(org),
    organizationRole: textOf(orgRole),
    acr: textOf(acr) ?? 'aal1',
    ...(mfa ? { mfaRequired: true } : {}),
    // A token that does not say when is as old as can be.
    authenticatedAt: new Date(typeof auth_time === 'number' ? auth_time * 1000 : 0),
    expiresAt: new Date(exp * 1000),
  }
  return { session, issuedAt: iat }
}

const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null)

/**
 * The statement of the request's access token, from its cookie or as a bearer token; null without.
 * At once where the token is known: under Better Auth each promise costs as much as all of that.
 */
export function readStatement(
  req: Request,
  { cookie: name, recall, verify }: Verifier,
): Statement | null | Promise<Statement | null> {
  const cookie = readCookie(req, name)
  const bearer = cookie === null ? bearerOf(req) : null
  const token = cookie ?? bearer
  if (token === null) return null
  const known = recall(token)
  if (known || cookie === null) return known ?? verify(token)
  return verify(cookie).then((statement) => {
    const other = statement ? null : bearerOf(req)
    return other === null ? statement : verify(other)
  })
}

function bearerOf(req: Request): string | null {
  return /^Bearer +(\S+)$/i.exec(req.headers.get('authorization') ?? '')?.[1] ?? null
}
