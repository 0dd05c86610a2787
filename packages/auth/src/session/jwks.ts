/**
 * Finds public keys that change. Loaded keys are used for a while, loaded again when a token names an unknown
 * key, and kept if loading fails.
 *
 * @module
 */

import type { JSONWebKeySet, JWK, JWTVerifyGetKey } from 'jose'

/** The times of `createKeyFinder`. */
export interface KeyFinderOptions {
  /** How long loaded keys are used, in milliseconds. */
  freshMs: number
  /** How long after a load an unknown key may cause the next one, in milliseconds. */
  searchMs: number
}

/** Makes a key finder for `jose`. Parallel searches share one call of `load`. */
export function createKeyFinder(
  load: () => Promise<JSONWebKeySet>,
  { freshMs, searchMs }: KeyFinderOptions,
): JWTVerifyGetKey {
  let keys: JWK[] | undefined
  let staleAt = 0
  let searchAt = 0
  let loading: Promise<JWK[]> | undefined

  const reload = () => {
    searchAt = Date.now() + searchMs
    staleAt = searchAt
    loading ??= load()
      .then((set) => {
        keys = keysIn(set)
        staleAt = Date.now() + freshMs
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

  const known = (kid: string | undefined) =>
    Date.now() < staleAt ? keys?.find((key) => key.kid === kid) : undefined

  const find = async ({ kid }: Header): Promise<JWK> => {
    if (!keys || Date.now() >= staleAt || Date.now() >= searchAt) await reload()
    const key = known(kid)
    if (key) return key
    throw new Error('No key.')
  }
  // A known key is returned without a promise, because each promise costs time.
  return (header) => known(header.kid) ?? find(header)
}

/** A copy of the set's keys, so that nobody changes them. A malformed set counts as a failed load. */
function keysIn(set: JSONWebKeySet): JWK[] {
  const { keys } = (structuredClone(set) ?? {}) as { keys?: unknown }
  if (!Array.isArray(keys)) throw new Error('No key.')
  return keys.filter((key) => typeof key === 'object' && key !== null)
}

type Header = Parameters<JWTVerifyGetKey>[0]
