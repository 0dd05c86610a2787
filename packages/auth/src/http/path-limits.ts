/**
 * Limits how often an address may call each endpoint, counted before the request is routed. The rules are
 * ours where we have one, and otherwise those of Better Auth's plugins. Better Auth itself counts by the path
 * as it was sent, so each new path made a row of its own and never reached a limit. Here all paths of one
 * route share a count, and all paths without an endpoint share another.
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
import { type Endpoints, withPath } from '../sign-in/password-fields.ts'

/** At most `max` requests in `window` seconds. False: not counted here. */
type Rule = { window: number; max: number } | false

const QUARTER = 15 * 60

/**
 * For requests that a whole office makes together. Guessing is hopeless there: links are too long, and codes
 * lock.
 */
const SHARED: Rule = { window: 60, max: 100 }
/**
 * For requests about the user's own account: a stolen session must not guess the password or send mails
 * freely.
 */
const OWN: Rule = { window: QUARTER, max: 20 }
/** The rule of every other endpoint. */
const DEFAULT: Rule = { window: 10, max: 100 }

/** The first rule that matches counts; a `*` at the end matches the rest of the path. */
const RULES: Readonly<Record<string, Rule>> = {
  // `limits.ts` also limits these by account.
  '/sign-in/email': false,
  '/sign-up/email': false,
  '/request-password-reset': false,
  '/send-verification-email': false,
  '/sign-in/magic-link': false,
  // Pages call these often, also from one office at the same time, and they make no row.
  '/get-session': false,
  '/access/refresh': false,
  '/access/renew': false,
  // Each request to these two makes a row that lives for minutes.
  '/sign-in/social': SHARED,
  '/passkey/generate-authenticate-options': SHARED,
  '/sign-in/magic-link/confirm': SHARED,
  // Each refusal makes an entry in the audit log.
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

/** The common route of all paths without an endpoint. No endpoint's route looks like this. */
const NOWHERE = '*'

/** The dependencies of `pathLimits`. */
export interface PathLimitsOptions {
  limiter: RateLimiter
  addressOf: AddressOf
  /** The endpoints of the running instance. */
  endpoints: Endpoints
}

/** The `onRequest` of a plugin. It throws RateLimitError (429) for a request above the limit. */
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
    // Callers without an address share a count. The default window is short, so they are not locked out for
    // long.
    const result = await limiter.consume(policy, `${addressOf(req) ?? 'unknown'}|${route}`)
    if (!result.isAllowed) throw new RateLimitError(policy, result)
  }
}

/** The path below Better Auth's base path. The OAuth server's metadata is at the root of the origin. */
function pathIn(url: string, base: string): string {
  const { pathname } = new URL(url)
  if (pathname.startsWith(`${base}/`)) return pathname.slice(base.length)
  return pathname.startsWith('/.well-known/') ? pathname : NOWHERE
}

/** Finds the route of a path, such as `/callback/:id`; `NOWHERE` for a path without an endpoint. */
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
    // The OAuth server's metadata is answered before routing, although its endpoint is for server code.
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
