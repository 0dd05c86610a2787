/**
 * Public keys that change: kept for a while, looked for when a token names one that is not known, and
 * kept on when they cannot be had anew.
 *
 * @module
 */

import type { JSONWebKeySet, JWK, JWTVerifyGetKey } from 'jose'

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
    throw new Error('There is no such key.')
  }
  // Not a promise where the key is at hand: each one costs.
  return (header) => known(header.kid) ?? find(header)
}

/** A copy, so that nobody changes them. What is no key set at all counts as not had. */
function keysIn(set: JSONWebKeySet): JWK[] {
  const { keys } = (structuredClone(set) ?? {}) as { keys?: unknown }
  if (!Array.isArray(keys)) throw new Error('There is no key set.')
  return keys.filter((key) => typeof key === 'object' && key !== null)
}

type Header = Parameters<JWTVerifyGetKey>[0]
