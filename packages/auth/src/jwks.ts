/**
 * Public keys that change: kept for a while, looked for when a token names one that is not known, and
 * kept on when they cannot be had anew.
 *
 * @module
 */

import {
  type CryptoKey,
  createLocalJWKSet,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
  type LocalJWKSet,
} from 'jose'

export interface KeyFinderOptions {
  /** How long keys are taken as they are. */
  freshMs: number
  /** After what time an unknown key may make them be loaded again. */
  searchMs: number
}

/** Finds the key of a token, for `jose`, in the sets that `load` gets. Of several at once one loads. */
export function createKeyFinder(
  load: () => Promise<JSONWebKeySet>,
  { freshMs, searchMs }: KeyFinderOptions,
): JWTVerifyGetKey {
  let keys: LocalJWKSet | undefined
  let found = new Map<string, CryptoKey>()
  let staleAt = 0
  let searchAt = 0
  let loading: Promise<LocalJWKSet> | undefined

  const reload = () => {
    searchAt = Date.now() + searchMs
    staleAt = searchAt
    loading ??= load()
      .then((set) => {
        staleAt = Date.now() + freshMs
        found = new Map()
        keys = createLocalJWKSet(set)
        return keys
      })
      .catch((error: unknown) => {
        if (keys) return keys
        throw error
      })
      .finally(() => {
        loading = undefined
      })
    return loading
  }

  const find = async (header: Header, token: Token): Promise<CryptoKey> => {
    const known = keys && Date.now() < staleAt ? keys : await reload()
    const key = await known(header, token).catch(async (error: { code?: unknown }) => {
      const isUnknown = error.code === 'ERR_JWKS_NO_MATCHING_KEY'
      if (!isUnknown || Date.now() < searchAt) throw error
      return (await reload())(header, token)
    })
    found.set(nameOf(header), key)
    return key
  }
  // Not a promise where the key is at hand: each one costs.
  return (header, token) =>
    (Date.now() < staleAt && found.get(nameOf(header))) || find(header, token)
}

type Header = Parameters<JWTVerifyGetKey>[0]
type Token = Parameters<JWTVerifyGetKey>[1]

const nameOf = ({ alg, kid }: Header): string => alg + (kid ?? '')
