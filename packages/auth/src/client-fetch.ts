/**
 * Calls of a browser's scripts to an API behind the edge: an access token that has ended is refreshed
 * and the call made again, once, without anybody noticing.
 *
 * @module
 */

/**
 * A `fetch` that refreshes. Calls that end at the same time share one refresh; a session that is over
 * is answered with the API's own 401.
 *
 * @param baseURL the host's origin. Default: where the page is.
 */
export function createFetch(baseURL = ''): typeof fetch {
  let refreshing: Promise<boolean> | null = null
  const refresh = (): Promise<boolean> => {
    refreshing ??= fetch(`${baseURL}/api/auth/access/refresh`, { method: 'POST' })
      .then((answer) => answer.ok)
      .finally(() => {
        refreshing = null
      })
    return refreshing
  }
  return async (input, init) => {
    const request = new Request(input, init)
    // A body is read once, so the second try needs one of its own.
    const again = request.clone()
    const answer = await fetch(request)
    if (!(await isExpired(answer))) return answer
    return (await refresh()) ? fetch(again) : answer
  }
}

async function isExpired(answer: Response): Promise<boolean> {
  if (answer.status !== 401) return false
  const problem = (await answer
    .clone()
    .json()
    .catch(() => null)) as { code?: unknown } | null
  return problem?.code === 'access_expired'
}
