/**
 * A `fetch` for browser scripts that call an API behind the edge. It refreshes an expired access token and
 * repeats the call once.
 *
 * @module
 */

/**
 * Makes a `fetch` that refreshes expired access tokens. Parallel calls share one refresh. If the session
 * itself is over, the caller gets the API's own 401.
 *
 * @param baseURL the host's origin. Default: the page's origin.
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
    // A body can be read once only, so the second try needs a copy.
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
