/**
 * The keys that sign access tokens, kept in this process. By default they are in the database: Better Auth's
 * jwt plugin makes them and encrypts their private parts. A new key is made every 90 days. It is published a
 * week before it signs, and for a day after. Alternatively the host gives the keys and makes sure that they
 * overlap.
 *
 * After the auth secret was replaced, the private parts of older keys cannot be read. These keys still verify, and a
 * new key signs.
 *
 * Verifying a token needs public keys alone, and they are read without Better Auth. Better Auth is loaded where a
 * key is made or signs.
 *
 * @module
 */

import { type Database, Prisma, queryNamed } from '@repo/db'
import type { AuthContext, GenericEndpointContext } from 'better-auth'
import type { Jwk, JwtOptions } from 'better-auth/plugins/jwt'
import { calculateJwkThumbprint, type JSONWebKeySet, type JWK, type JWTVerifyGetKey } from 'jose'
import { AuthError } from '../errors.ts'
import { ACCESS_SECONDS, type AccessTokenAlg, type Signer } from './access-token.ts'
import { createKeyFinder } from './jwks.ts'

const DAY_MS = 86_400_000
/** How long a key signs. */
const ROTATION_MS = 90 * DAY_MS
/** How long a key is published before it signs. */
const AHEAD_MS = 7 * DAY_MS
/** How long a key is published after it signed for the last time. */
const OVERLAP_MS = DAY_MS
/** How long this process uses the keys that it has loaded. */
const KNOWN_MS = 60_000
/** The shortest time between two look-ups of unknown keys in the database. */
const SEARCH_MS = 1_000

/** The host's own keys. The first key is private and signs; the others verify. */
export type GivenKeys = JSONWebKeySet | (() => Promise<JSONWebKeySet>)

/** The dependencies of `createSigningKeys`. */
export interface SigningKeyOptions {
  db: Database
  origin: string
  alg: AccessTokenAlg
  keys: GivenKeys | undefined
  /** Better Auth's context, which has the database and the secret. */
  context(): Promise<AuthContext>
}

/** The keys of an auth instance. */
export interface SigningKeys {
  /** The options of the jwt plugin, so that it publishes the same keys. */
  jwt: JwtOptions
  signer(): Promise<Signer>
  /** Finds the key of a token, for `jose`. */
  find: JWTVerifyGetKey
}

/** The keys that were loaded, and when. */
interface Ring {
  rows: Jwk[]
  /** The keys whose private part this instance can read. */
  own: Jwk[]
  loadedAt: number
}

/** Makes the keys. @throws `invalid_options` for a malformed set of given keys */
export function createSigningKeys({
  db,
  origin,
  alg,
  keys,
  context,
}: SigningKeyOptions): SigningKeys {
  if (typeof keys === 'object') requireKeys(keys)
  let known: Ring | undefined
  let loading: Promise<Ring> | undefined
  const signers = new Map<string, Signer>()
  /** Whether the private part of a key can be read, by the key's id. */
  const readable = new Map<string, boolean>()

  const jwt: JwtOptions = {
    disableSettingJwtHeader: true,
    jwks: {
      keyPairConfig: { alg },
      rotationInterval: ROTATION_MS / 1000,
      gracePeriod: OVERLAP_MS / 1000,
      disablePrivateKeyEncryption: keys !== undefined,
    },
    jwt: { issuer: origin, audience: origin, expirationTime: `${ACCESS_SECONDS}s` },
    adapter: { getJwks: async () => (await current()).rows },
  }

  const endpoint = async () => ({ context: await context() }) as GenericEndpointContext

  async function load(): Promise<Ring> {
    const rows = keys === undefined ? await stored() : await given(keys)
    known = { rows, own: keys === undefined ? await readableOf(rows) : rows, loadedAt: Date.now() }
    return known
  }

  /** Loads the keys. Parallel calls share one load. */
  function reload(): Promise<Ring> {
    loading ??= load().finally(() => {
      loading = undefined
    })
    return loading
  }

  const current = async (): Promise<Ring> =>
    known && Date.now() - known.loadedAt < KNOWN_MS ? known : reload()

  /** The keys that this instance's secret decrypts. */
  async function readableOf(rows: Jwk[]): Promise<Jwk[]> {
    const { secretConfig: key } = await context()
    const { symmetricDecrypt } = await import('better-auth/crypto')
    for (const { id, privateKey } of rows.filter(({ id }) => !readable.has(id))) {
      const read = async () => symmetricDecrypt({ key, data: JSON.parse(privateKey) })
      readable.set(id, await read().then(Boolean, () => false))
    }
    return rows.filter(({ id }) => readable.get(id))
  }

  async function stored(): Promise<Jwk[]> {
    const ctx = await endpoint()
    const read = () => ctx.context.adapter.findMany<Jwk>({ model: 'jwks' })
    const rows = await read()
    const after = Date.now() + AHEAD_MS
    const own = await readableOf(rows)
    const isProvided = own.some((row) => row.alg === alg && endOf(row) > after)
    if (!isProvided) {
      const { createJwk } = await import('better-auth/plugins/jwt')
      await createJwk(ctx, { ...jwt, adapter: {} })
    }
    const all = isProvided ? rows : await read()
    return all.filter(isPublished)
  }

  /** The keys that verify. If there is no key yet, none is made here, but when a token is signed. */
  async function verifying(): Promise<PublicKeyRow[]> {
    if (keys !== undefined) return (await reload()).rows
    const rows = await queryNamed<PublicKeyRow>(
      db,
      'auth.keys',
      Prisma.sql`SELECT "id", "alg", "publicKey", "createdAt", "expiresAt" FROM "Jwks"`,
    )
    return rows.filter(isPublished)
  }

  return {
    jwt,
    async signer() {
      const { own } = await current()
      const kid = keys === undefined ? signingKeyOf(own, alg).id : (own[0] as Jwk).id
      const remembered = signers.get(kid)
      if (remembered) return remembered
      const { resolveSigningKey } = await import('better-auth/plugins/jwt')
      const signer = await resolveSigningKey(await endpoint(), jwt, { signingKeyId: kid })
      signers.set(kid, signer as Signer)
      return signer as Signer
    },
    find: createKeyFinder(async () => publicSet(await verifying()), {
      freshMs: KNOWN_MS,
      searchMs: SEARCH_MS,
    }),
  }
}

/** The public part of a key's row. */
type PublicKeyRow = Pick<Jwk, 'id' | 'alg' | 'publicKey' | 'createdAt' | 'expiresAt'>

const publicSet = (rows: PublicKeyRow[]): JSONWebKeySet => ({
  keys: rows.map(({ id, alg, publicKey }) => ({
    ...(JSON.parse(publicKey) as JWK),
    kid: id,
    alg: alg as string,
  })),
})

const endOf = ({ createdAt, expiresAt }: Pick<Jwk, 'createdAt' | 'expiresAt'>): number =>
  expiresAt ? expiresAt.getTime() : createdAt.getTime() + ROTATION_MS

const isPublished = (row: PublicKeyRow): boolean => endOf(row) + OVERLAP_MS > Date.now()

/** The newest key that verifiers have had time to fetch; the oldest if there is none. */
function signingKeyOf(rows: Jwk[], alg: AccessTokenAlg): Jwk {
  const now = Date.now()
  const live = rows
    .filter((row) => row.alg === alg && endOf(row) > now)
    .sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime())
  const known = live.find(({ createdAt }) => createdAt.getTime() <= now - AHEAD_MS) ?? live.at(-1)
  if (!known) throw new Error(`There is no key that signs with ${alg}.`)
  return known
}

/** The host's keys in the form of the database's. @throws `invalid_options` for a malformed set */
async function given(keys: GivenKeys): Promise<Jwk[]> {
  const set = typeof keys === 'function' ? await keys() : keys
  requireKeys(set)
  return Promise.all(
    set.keys.map(async (key, index) => ({
      id: key.kid ?? (await calculateJwkThumbprint(key)),
      alg: algOf(key) as AccessTokenAlg,
      publicKey: JSON.stringify(publicPartOf(key)),
      privateKey: JSON.stringify(key),
      // Better Auth signs with the newest key, so the first one gets the latest time.
      createdAt: new Date(Date.now() - index),
    })),
  )
}

/** Checks a set of the host's keys. @throws `invalid_options` */
function requireKeys(set: JSONWebKeySet): void {
  // A key service may answer anything.
  const keys: unknown = (set as Partial<JSONWebKeySet> | null)?.keys
  if (Array.isArray(keys) && keys[0]?.d && keys.every((key) => key && algOf(key))) return
  throw new AuthError(
    'invalid_options',
    'The signing keys must be a JSON Web Key Set of EC keys on P-256 or RSA keys, the first of them private.',
  )
}

function algOf({ kty, crv }: JWK): AccessTokenAlg | null {
  if (kty === 'EC' && crv === 'P-256') return 'ES256'
  return kty === 'RSA' ? 'RS256' : null
}

function publicPartOf({ kty, crv, x, y, n, e }: JWK): JWK {
  return (kty === 'RSA' ? { kty, n, e } : { kty, crv, x, y }) as JWK
}
