/**
 * Public keys that change: kept for a while, looked for when a token names one that is not known, and
 * kept on when they cannot be had anew.
 *
 * @module
 */

import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'

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
  let keys: JWTVerifyGetKey | undefined
  let found = new Map<string, Found>()
  let staleAt = 0
  let searchAt = 0
  let loading: Promise<JWTVerifyGetKey> | undefined

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
  const find: JWTVerifyGetKey = async (header, token) => {
    const known = keys && Date.now() < staleAt ? keys : await reload()
    try {
      return await known(header, token)
    } catch (error) {
      const isUnknown = (error as { code?: unknown }).code === 'ERR_JWKS_NO_MATCHING_KEY'
      if (!isUnknown || Date.now() < searchAt) throw error
      return (await reload())(header, token)
    }
  }
  return (header, token) => {
    const name = `${header.alg} ${header.kid}`
    const known = Date.now() < staleAt ? found.get(name) : undefined
    if (known) return known
    return Promise.resolve(find(header, token)).then((key) => {
      found.set(name, key)
      return key
    })
  }
}

type Found = Awaited<ReturnType<JWTVerifyGetKey>>
