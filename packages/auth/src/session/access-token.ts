/**
 * The access token: signed claims about a session. It lives five minutes and holds no personal data.
 * Verifying a token needs no database. A verified token is remembered, and its expiry is still checked on
 * each use.
 *
 * @module
 */

import { type CryptoKey, type JWTVerifyGetKey, jwtVerify, SignJWT } from 'jose'
import type { Session } from './caller.ts'
import { cookiesAt, readCookie } from './cookies.ts'

/** How long an access token lives, in seconds. At the edge, a revoked session lives as long. */
export const ACCESS_SECONDS = 300

/**
 * The signing algorithm of a key pair. `ES256` is ECDSA on P-256; `RS256` is for verifiers that cannot check
 * ES256.
 */
export type AccessTokenAlg = 'ES256' | 'RS256'

const ALGORITHMS: AccessTokenAlg[] = ['ES256', 'RS256']
/** The longest token that is verified, in characters. A longer one is refused. */
const LONGEST_TOKEN = 4096
/** How many verified tokens are remembered at the most. */
const REMEMBERED = 1_000
/** How many characters of a token's end make its key in the memory. */
const KEY_LENGTH = 24

/** The claims of a verified access token. */
export interface Claims {
  /** The session that the token stands for. */
  session: Session
  /** When the token was issued, in seconds since 1970. */
  issuedAt: number
}

/** Checks access tokens and remembers the ones that it has verified. */
export interface Verifier {
  /** The name of the cookie that holds a token. */
  cookie: string
  /** The claims of a token that was verified before and has not expired; null for any other token. */
  recall(token: string): Claims | null
  /**
   * The token's claims; null for a token that has expired, was forged or names another issuer or audience.
   */
  verify(token: string): Promise<Claims | null>
}

/** The private key that signs access tokens, with its id and algorithm. */
export interface Signer {
  /** The algorithm of the key, such as `ES256`. */
  alg: string
  /** The key's id in the key set. */
  kid: string
  privateKey: CryptoKey
}

/** Signs claims as an access token, which expires at the session's `expiresAt`. */
export function signAccessToken(
  origin: string,
  { alg, kid, privateKey }: Signer,
  { session, issuedAt }: Claims,
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
  // The memory has two halves. When the newer half is full, the older half is forgotten. Finding the oldest
  // entry of a single Map would cost more than everything else here.
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
      return copyOf(known.claims)
    },
    async verify(token) {
      if (token.length > LONGEST_TOKEN) return null
      // A token that has expired, was forged or has another issuer gives null. So does a key that cannot be
      // loaded.
      const verified = await jwtVerify(token, keys, options).catch(() => null)
      const claims = verified && claimsOf(verified.payload)
      if (!claims) return null
      // A token of ours expires within this time. One that was forged with a stolen key may claim to last for
      // years, so it is verified again, and refused once the key is withdrawn.
      const endsAt = Math.min(+claims.session.expiresAt, Date.now() + ACCESS_SECONDS * 1000)
      remember(keyOf(token), { token, claims, endsAt })
      return copyOf(claims)
    },
  }
}

/** The end of the signature tells tokens apart, and a Map finds it faster than the whole token. */
const keyOf = (token: string): string => token.slice(-KEY_LENGTH)

/** A token in the memory. */
interface Verified {
  token: string
  claims: Claims
  /** When the token expires or has to be verified again, in milliseconds. */
  endsAt: number
}

/** A copy, so that the caller may change it without changing the remembered one. */
const copyOf = ({ session, issuedAt }: Claims): Claims => ({
  session: {
    ...session,
    authenticatedAt: new Date(session.authenticatedAt),
    expiresAt: new Date(session.expiresAt),
  },
  issuedAt,
})

function claimsOf(claims: Record<string, unknown>): Claims | null {
  const { sub, sid, role, org, orgRole, acr, auth_time, mfa, iat, exp, client_id } = claims
  const userId = textOf(sub)
  const sessionId = textOf(sid)
  // An access token of an OAuth client is not a session, whatever its purpose is.
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
    // A token without `auth_time` counts as the oldest sign-in possible.
    authenticatedAt: new Date(typeof auth_time === 'number' ? auth_time * 1000 : 0),
    expiresAt: new Date(exp * 1000),
  }
  return { session, issuedAt: iat }
}

const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null)

/**
 * The claims of the request's access token, from its cookie or its bearer header; null without a valid
 * token. A remembered token is answered synchronously, because inside Better Auth each promise costs as much
 * as the whole look-up.
 */
export function readClaims(
  req: Request,
  { cookie: name, recall, verify }: Verifier,
): Claims | null | Promise<Claims | null> {
  const cookie = readCookie(req, name)
  const bearer = cookie === null ? bearerOf(req) : null
  const token = cookie ?? bearer
  if (token === null) return null
  const known = recall(token)
  if (known || cookie === null) return known ?? verify(token)
  return verify(cookie).then((claims) => {
    const other = claims ? null : bearerOf(req)
    return other === null ? claims : verify(other)
  })
}

function bearerOf(req: Request): string | null {
  return /^Bearer +(\S+)$/i.exec(req.headers.get('authorization') ?? '')?.[1] ?? null
}
