/**
 * What stands around Better Auth's endpoints: addresses, limits, and the audit log that both fill and use.
 *
 * @module
 */

import type { Logger } from '@repo/core'
import {
  type AddressOf,
  createRateLimiter,
  networkOf,
  type RateLimiter,
} from '@repo/core/rate-limit'
import { db as defaultDb } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { checkProxies, createAddressOf } from './addresses.ts'
import { type AuditEntry, audit } from './audit.ts'
import { auditHooks, type Recorder } from './audit-hooks.ts'
import type { Keys } from './keys.ts'
import { limits } from './limits.ts'
import type { AnyAuthOptions } from './options.ts'

export interface Protection {
  addressOf: AddressOf
  limiter: RateLimiter
  /** Plugins that come before all others, and after them. */
  first: BetterAuthPlugin[]
  last: BetterAuthPlugin[]
  record: Recorder
}

export interface ProtectionOptions {
  options: AnyAuthOptions
  keys: Keys
  baseURL: string
  logger: Logger
  /** Told of each entry once it is written, with where it came from. */
  onEntry(entry: AuditEntry): void
}

/** @throws `invalid_options` for proxies that cannot be read */
export function createProtection({
  options,
  keys,
  baseURL,
  logger,
  onEntry,
}: ProtectionOptions): Protection {
  const { db = defaultDb, redisUrl } = options
  const addressOf = createAddressOf(options)
  checkProxies(options, baseURL, logger)
  const limiter = createRateLimiter({
    db,
    redisUrl,
    secret: keys.rateLimit,
    logger: options.logger,
  })

  async function isFamiliar(email: string, address: string): Promise<boolean> {
    const user = await db.user.findUnique({ where: { email } })
    const ip = networkOf(address)
    if (!user || !ip) return false
    const where = { userId: user.id, action: 'sign_in', ip }
    return (await db.auditLog.findFirst({ where })) !== null
  }

  const record: Recorder = async (entry, source) => {
    try {
      const headers = source instanceof Headers ? source : source?.headers
      const from = source && {
        ip: addressOf(source),
        userAgent: headers?.get('user-agent') ?? null,
      }
      await audit(db, { ...entry, ...from })
      onEntry({ ...entry, ...from })
    } catch (error) {
      // What has happened cannot be undone for want of an entry.
      logger.error({ action: entry.action, error }, 'not in the audit log')
    }
  }

  return {
    addressOf,
    limiter,
    first: (options.rateLimit ?? true) ? [limits({ limiter, addressOf, isFamiliar })] : [],
    last: [auditHooks({ db, key: keys.audit, record })],
    record,
  }
}
