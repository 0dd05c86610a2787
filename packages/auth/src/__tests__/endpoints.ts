import type { TestAuth } from '../testing.ts'

interface Endpoint {
  path?: string
  options?: { method?: string | string[]; metadata?: { SERVER_ONLY?: boolean; scope?: string } }
}

/** All that Better Auth and our plugins answer over HTTP and that is no GET, as it is now. */
export function changing(auth: TestAuth): { path: string; method: string }[] {
  return Object.values(auth.api as unknown as Record<string, Endpoint>).flatMap(
    ({ path, options }) => {
      const methods = [options?.method ?? 'GET'].flat().filter((method) => method !== 'GET')
      const { SERVER_ONLY, scope } = options?.metadata ?? {}
      if (!path || SERVER_ONLY || scope) return []
      return methods.map((method) => ({ path: path.replace(/:\w+/g, 'github'), method }))
    },
  )
}
