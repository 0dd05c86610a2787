/**
 * What stands around Better Auth's endpoints: addresses, limits, and the audit log that both fill and use.
 *
 * @module
 */

import type { Logger } from '@repo/core'
import { createRateLimiter, type RateLimiter } from '@repo/core/rate-limit'
import { db as defaultDb } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { type AddressOf, checkProxies, createAddressOf } from './addresses.ts'
import { type AuditEntry, audit, networkOf } from './audit.ts'
import { auditHooks } from './audit-hooks.ts'
import { limits } from './limits.ts'
import type { AnyAuthOptions } from './options.ts'

export interface Protection {
  addressOf: AddressOf
  limiter: RateLimiter
  /** Plugins that come before all others, and after them. */
  first: BetterAuthPlugin[]
  last: BetterAuthPlugin[]
  /** Adds to the audit log what a callback of Better Auth tells of. */
  record(entry: AuditEntry, req: Request | undefined): Promise<void>
}

/** @throws `invalid_options` for proxies that cannot be read */
export function createProtection(
  options: AnyAuthOptions,
  baseURL: string,
  logger: Logger,
): Protection {
  const { db = defaultDb, secret, redisUrl } = options
  const addressOf = createAddressOf(options)
  checkProxies(options, baseURL, logger)
  const limiter = createRateLimiter({ db, redisUrl, secret, logger: options.logger })

  async function isFamiliar(email: string, address: string): Promise<boolean> {
    const user = await db.user.findUnique({ where: { email } })
    const ip = networkOf(address)
    if (!user || !ip) return false
    const where = { userId: user.id, action: 'sign_in', ip }
    return (await db.auditLog.findFirst({ where })) !== null
  }

  return {
    addressOf,
    limiter,
    first: (options.rateLimit ?? true) ? [limits({ limiter, addressOf, isFamiliar })] : [],
    last: [auditHooks({ db, secret, addressOf, logger })],
    async record(entry, req) {
      const source = req && { ip: addressOf(req), userAgent: req.headers.get('user-agent') }
      await audit(db, { ...entry, ...source })
    },
  }
}
