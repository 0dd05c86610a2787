/**
 * The subjects of the benchmark: our look-ups, and a bare verification, which they cannot beat.
 *
 * @module
 */

import type { Session } from '@repo/auth'
import {
  ACCESS_COOKIE,
  createTestAuth,
  signAccessToken,
  TEST_ORIGIN,
  type TestAuth,
} from '@repo/auth/testing'
import type { Logger } from '@repo/core'
import type { Database } from '@repo/db'
import { exportJWK, generateKeyPair, type JWTVerifyResult, jwtVerify } from 'jose'

/** More tokens than auth remembers, so that in rotation none is remembered. */
const TOKENS = 2_000

/** One thing to measure. */
export interface Subject {
  name: string
  /** Makes one call. */
  once(): Promise<unknown>
  /** Whether the call's answer is right. */
  isRight(answer: unknown): boolean
}

/** Auth with a signed-in user and valid access tokens. */
export interface Setting {
  auth: TestAuth
  tokens: string[]
  publicKey: CryptoKey
  cookie: string
  userId: string
}

type CryptoKey = Awaited<ReturnType<typeof generateKeyPair>>['publicKey']

/** Makes auth with a given key, signs a user in, and signs the access tokens. */
export async function setUp(db: Database, logger: Logger): Promise<Setting> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const key = { ...(await exportJWK(privateKey)), kid: 'bench' }
  const auth = createTestAuth({ db, logger, accessToken: { keys: { keys: [key] } } })
  const { cookie, userId } = await auth.signIn()
  const session = await auth.requireAuth(auth.request('/', { cookie }), { fresh: true })
  const issuedAt = Math.floor(Date.now() / 1000)
  const signer = { alg: 'ES256', kid: 'bench', privateKey }
  const tokens: string[] = []
  for (let n = 0; n < TOKENS; n += 1) {
    tokens.push(await signAccessToken(TEST_ORIGIN, signer, { session, issuedAt }))
  }
  return { auth, tokens, publicKey, cookie, userId }
}

/** Requests with the tokens in rotation. */
function inTurn({ auth, tokens }: Setting): () => Request {
  const requests = tokens.map((token) => auth.request('/', { cookie: `${ACCESS_COOKIE}=${token}` }))
  let next = 0
  return () => requests[next++ % requests.length] as Request
}

const isSession = (userId: string) => (answer: unknown) =>
  (answer as Session | null)?.userId === userId

/** `getSession` with a token that auth remembers. */
export function warm({ auth, tokens, userId }: Setting): Subject {
  const req = auth.request('/', { cookie: `${ACCESS_COOKIE}=${tokens[0]}` })
  return {
    name: 'getSession warm',
    once: () => auth.getSession(req),
    isRight: isSession(userId),
  }
}

/** `getSession` with tokens that auth does not remember. */
export function cold(setting: Setting): Subject {
  const next = inTurn(setting)
  return {
    name: 'getSession cold',
    once: () => setting.auth.getSession(next()),
    isRight: isSession(setting.userId),
  }
}

/** The verification alone. */
export function bare({ tokens, publicKey, userId }: Setting): Subject {
  const options = { algorithms: ['ES256'], issuer: TEST_ORIGIN, audience: TEST_ORIGIN }
  let next = 0
  return {
    name: 'jose.jwtVerify',
    once: () => jwtVerify(tokens[next++ % tokens.length] as string, publicKey, options),
    isRight: (answer) => (answer as JWTVerifyResult).payload.sub === userId,
  }
}

/** `getSession` that reads the session's row. */
export function fresh({ auth, cookie, userId }: Setting): Subject {
  const req = auth.request('/', { cookie })
  return {
    name: 'getSession fresh',
    once: () => auth.getSession(req, { fresh: true }),
    isRight: isSession(userId),
  }
}

/** Times a hundred checks as one call, because a single check takes less time than the promise around it. */
export function permission({ auth, userId }: Setting): Subject {
  const organizationId = 'acme'
  const session: Session = {
    sessionId: 's',
    userId,
    role: 'USER',
    organizationId,
    organizationRole: 'OPERATOR',
    acr: 'aal1',
    authenticatedAt: new Date(),
    expiresAt: new Date(0),
  }
  const call = { organizationId, ownerId: userId }
  return {
    name: 'can, a hundred times',
    once: async () => {
      let granted = 0
      for (let n = 0; n < 100; n += 1) if (auth.can(session, 'calls:update', call)) granted += 1
      return granted
    },
    isRight: (answer) => answer === 100,
  }
}
