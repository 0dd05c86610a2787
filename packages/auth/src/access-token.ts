/**
 * The access token: a signed statement about a session, five minutes long, without personal data.
 * Verified without a database; what was verified is kept, and its end is still looked at each time.
 *
 * @module
 */

import { type CryptoKey, type JWTVerifyGetKey, jwtVerify, SignJWT } from 'jose'
import { ACCESS_COOKIE, readCookie } from './cookies.ts'
import type { Session } from './session.ts'

/** A token lives this long; at the edge a revoked session does, too. */
export const ACCESS_SECONDS = 300

/** Of a key pair: ECDSA on P-256, or RSA with SHA-256 for verifiers that know no other. */
export type AccessTokenAlg = 'ES256' | 'RS256'

const ALGORITHMS: AccessTokenAlg[] = ['ES256', 'RS256']
const LONGEST_TOKEN = 4096
const REMEMBERED = 1_000

/** What a token says, verified. */
export interface Statement {
  session: Session
  /** Seconds since 1970. */
  issuedAt: number
}

/** The token's statement; null for anything expired, forged, or meant for others. */
export type Verify = (token: string) => Promise<Statement | null>

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
export function createVerify(origin: string, keys: JWTVerifyGetKey): Verify {
  const options = {
    algorithms: ALGORITHMS,
    issuer: origin,
    audience: origin,
    typ: 'at+jwt',
    requiredClaims: ['exp', 'iat', 'sub', 'sid'],
  }
  const verified = new Map<string, { statement: Statement; endsAt: number }>()
  return async (token) => {
    const known = verified.get(token)
    if (known) {
      if (known.endsAt > Date.now()) return copyOf(known.statement)
      verified.delete(token)
      return null
    }
    if (token.length > LONGEST_TOKEN) return null
    const statement = statementOf(await claimsOf(token, keys, options))
    if (!statement) return null
    // Maps keep the order of insertion, so the first is the oldest.
    if (verified.size >= REMEMBERED) verified.delete(verified.keys().next().value as string)
    verified.set(token, { statement, endsAt: statement.session.expiresAt.getTime() })
    return copyOf(statement)
  }
}

/** For the caller to keep and to change. */
const copyOf = ({ session, issuedAt }: Statement): Statement => ({
  session: { ...session, expiresAt: new Date(session.expiresAt) },
  issuedAt,
})

async function claimsOf(
  token: string,
  keys: JWTVerifyGetKey,
  options: Parameters<typeof jwtVerify>[2],
): Promise<Record<string, unknown> | null> {
  try {
    return (await jwtVerify(token, keys, options)).payload
  } catch {
    // Expired, forged, of another issuer, or the keys cannot be had: nobody is signed in.
    return null
  }
}

function statementOf(claims: Record<string, unknown> | null): Statement | null {
  const { sub, sid, role, org, orgRole, acr, mfa, iat, exp, client_id } = claims ?? {}
  if (typeof sub !== 'string' || typeof sid !== 'string') return null
  // Another program's token is not a session, whatever it is for.
  if (client_id !== undefined) return null
  if (typeof iat !== 'number' || typeof exp !== 'number') return null
  const session: Session = {
    userId: sub,
    sessionId: sid,
    role: typeof role === 'string' ? role : 'USER',
    organizationId: typeof org === 'string' ? org : null,
    organizationRole: typeof orgRole === 'string' ? orgRole : null,
    acr: typeof acr === 'string' ? acr : 'aal1',
    ...(mfa === 'required' ? { mfaRequired: true } : {}),
    expiresAt: new Date(exp * 1000),
  }
  return { session, issuedAt: iat }
}

/** The statement of the request's access token, from its cookie or as a bearer token; null without. */
export async function readStatement(req: Request, verify: Verify): Promise<Statement | null> {
  const cookie = readCookie(req, ACCESS_COOKIE)
  const statement = cookie === null ? null : await verify(cookie)
  if (statement) return statement
  const bearer = bearerOf(req)
  return bearer === null ? null : verify(bearer)
}

function bearerOf(req: Request): string | null {
  return /^Bearer +(\S+)$/i.exec(req.headers.get('authorization') ?? '')?.[1] ?? null
}
