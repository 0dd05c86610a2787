import type { TestAuth } from '../testing.ts'

interface Endpoint {
  path?: string
  options?: { method?: string | string[]; metadata?: { SERVER_ONLY?: boolean } }
}

/** All that Better Auth and our plugins answer over HTTP, as it is now, with `:id` and the like. */
export function answered(auth: TestAuth): { path: string; method: string }[] {
  return Object.values(auth.api as unknown as Record<string, Endpoint>).flatMap(
    ({ path, options }) => {
      if (!path || options?.metadata?.SERVER_ONLY) return []
      return [options?.method ?? 'GET'].flat().map((method) => ({ path, method }))
    },
  )
}

/** Those that are no GET, with GitHub for `:id`. */
export const changing = (auth: TestAuth) =>
  answered(auth)
    .filter(({ method }) => method !== 'GET')
    .map(({ path, method }) => ({ path: path.replace(/:\w+/g, 'github'), method }))
