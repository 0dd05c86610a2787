/**
 * How often an address may ask each endpoint, counted before the request is routed. The limits are those of
 * Better Auth's plugins where a plugin has one, and ours where we say otherwise. Better Auth counts by the
 * path as it was sent, so each new path was a row of its own and never reached a limit. Here all paths of one
 * route share a count, and all paths that lead nowhere share another.
 *
 * @module
 */

import {
  type AddressOf,
  RateLimitError,
  type RateLimiter,
  type RateLimitPolicy,
} from '@repo/core/rate-limit'
import type { BetterAuthPlugin } from 'better-auth'
import { type Endpoints, withPath } from './password-fields.ts'

/** At most `max` requests in `window` seconds. False: not counted here. */
type Rule = { window: number; max: number } | false

const QUARTER = 15 * 60

/** Of what an office does together, and nobody can guess: links are too long, and codes lock. */
const SHARED: Rule = { window: 60, max: 100 }
/** Of a person's own account: a stolen session must not try out the password, nor write to the world. */
const OWN: Rule = { window: QUARTER, max: 20 }
const DEFAULT: Rule = { window: 10, max: 100 }

/** The first that fits; a `*` at the end stands for the rest of the path. */
const RULES: Readonly<Record<string, Rule>> = {
  // These have limits by account as well, in `limits.ts`.
  '/sign-in/email': false,
  '/sign-up/email': false,
  '/request-password-reset': false,
  '/send-verification-email': false,
  '/sign-in/magic-link': false,
  // Pages do it often, offices do it together, and it makes no row.
  '/get-session': false,
  '/access/refresh': false,
  '/access/renew': false,
  // These two make a row for each request, which lives for minutes.
  '/sign-in/social': SHARED,
  '/passkey/generate-authenticate-options': SHARED,
  '/sign-in/magic-link/confirm': SHARED,
  // Each refusal is an entry of the audit log.
  '/two-factor/verify-totp': { window: QUARTER, max: 300 },
  '/two-factor/verify-backup-code': { window: QUARTER, max: 300 },
  '/passkey/verify-authentication': { window: QUARTER, max: 300 },
  '/change-password': OWN,
  '/change-email': OWN,
  '/change-email/*': SHARED,
  '/delete-user': OWN,
  '/delete-user/*': OWN,
  '/export-user': OWN,
  '/two-factor/*': OWN,
  '/organization/invite-member': { window: QUARTER, max: 50 },
}

/** The route of all paths that lead nowhere. No route of an endpoint reads like it. */
const NOWHERE = '*'

export interface PathLimitsOptions {
  limiter: RateLimiter
  addressOf: AddressOf
  /** The endpoints of the running instance. */
  endpoints: Endpoints
}

/** The `onRequest` of a plugin, which throws RateLimitError (429) for a request too many. */
export function pathLimits({
  limiter,
  addressOf,
  endpoints,
}: PathLimitsOptions): NonNullable<BetterAuthPlugin['onRequest']> {
  const routeOf = createRoutes(endpoints)
  return async (req, { baseURL, options }) => {
    const route = routeOf(pathIn(req.url, new URL(baseURL).pathname))
    const rule = ruleOf(route, options.plugins ?? [])
    if (!rule) return
    const policy: RateLimitPolicy = { name: 'auth', limit: rule.max, windowSeconds: rule.window }
    // Callers without an address share one, which lasts for seconds where nothing can be guessed.
    const result = await limiter.consume(policy, `${addressOf(req) ?? 'unknown'}|${route}`)
    if (!result.isAllowed) throw new RateLimitError(policy, result)
  }
}

/** The path below Better Auth's own; that of the OAuth server's metadata is below the origin. */
function pathIn(url: string, base: string): string {
  const { pathname } = new URL(url)
  if (pathname.startsWith(`${base}/`)) return pathname.slice(base.length)
  return pathname.startsWith('/.well-known/') ? pathname : NOWHERE
}

/** The route of a path: `/callback/:id`. `NOWHERE` for a path that leads to no endpoint. */
function createRoutes(endpoints: Endpoints): (path: string) => string {
  let routes: { exact: Set<string>; patterns: [string, RegExp][] } | undefined
  return (path) => {
    routes ??= readRoutes(endpoints)
    if (routes.exact.has(path)) return path
    return routes.patterns.find(([, pattern]) => pattern.test(path))?.[0] ?? NOWHERE
  }
}

function readRoutes(endpoints: Endpoints) {
  const exact = new Set<string>()
  const patterns: [string, RegExp][] = []
  for (const { path = '', options } of withPath(endpoints)) {
    // The metadata of the OAuth server is answered before routing.
    if (options?.metadata?.SERVER_ONLY && !path.startsWith('/.well-known/')) continue
    if (!path.includes(':')) {
      exact.add(path)
      continue
    }
    const segments = path.split('/').map((each) => (each.startsWith(':') ? '[^/]+' : quoted(each)))
    patterns.push([path, new RegExp(`^${segments.join('/')}$`)])
  }
  return { exact, patterns }
}

const quoted = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

function ruleOf(route: string, plugins: readonly BetterAuthPlugin[]): Rule {
  for (const [path, rule] of Object.entries(RULES)) {
    if (path.endsWith('*') ? route.startsWith(path.slice(0, -1)) : route === path) return rule
  }
  for (const { rateLimit = [] } of plugins) {
    const own = rateLimit.find(({ pathMatcher }) => pathMatcher(route))
    if (own) return own
  }
  return DEFAULT
}
