/**
 * Everything around Better Auth's endpoints: addresses, limits, and the audit log.
 *
 * @module
 */

import { tryGetCurrentAuthEndpointContext } from '@better-auth/core/context'
import type { Logger } from '@repo/core'
import { type AddressOf, networkOf, type RateLimiter } from '@repo/core/rate-limit'
import { db as defaultDb } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { auditHooks } from '../audit/audit-hooks.ts'
import type { Recorder } from '../audit/recorder.ts'
import type { Keys } from '../database/keys.ts'
import { createMailLimits, type MailLimits } from '../mail/mail-limits.ts'
import type { AnyAuthOptions } from '../options.ts'
import { createPasswords, type Passwords } from '../sign-in/password.ts'
import type { Endpoints } from '../sign-in/password-fields.ts'
import { NO_CALLER, type Turn } from '../sign-in/turns.ts'
import { type AddressTeller, createAddressTeller } from './addresses.ts'
import { limits } from './limits.ts'

/** The parts that surround the endpoints. */
export interface Protection {
  addressOf: AddressOf
  addresses: AddressTeller
  limiter: RateLimiter
  passwords: Passwords
  /** Null: mails are not limited. */
  mailLimits: MailLimits | null
  /** The plugins that come before all others. */
  first: BetterAuthPlugin[]
  /** The plugins that come after all others. */
  last: BetterAuthPlugin[]
  record: Recorder
}

/** The dependencies of `createProtection`. */
export interface ProtectionOptions {
  options: AnyAuthOptions
  keys: Keys
  logger: Logger
  addressOf: AddressOf
  limiter: RateLimiter
  record: Recorder
  /** The endpoints of the instance that is protected. */
  endpoints: Endpoints
}

/** Makes the protection. */
export function createProtection({
  options,
  keys,
  logger,
  addressOf,
  limiter,
  record,
  endpoints,
}: ProtectionOptions): Protection {
  const { db = defaultDb, rateLimit: isLimited = true } = options
  /** The requests whose account has signed in from the same network before, as far as that was looked up. */
  const familiar = new WeakSet<object>()
  const passwords = createPasswords(options, () => turnOf(addressOf, familiar))

  async function isFamiliar(email: string, address: string): Promise<boolean> {
    const user = await db.user.findUnique({ where: { email } })
    const ip = networkOf(address)
    if (!user || !ip) return false
    const where = { userId: user.id, action: 'sign_in', ip }
    return (await db.auditLog.findFirst({ where })) !== null
  }

  return {
    addressOf,
    addresses: createAddressTeller(options, addressOf),
    limiter,
    passwords,
    mailLimits: isLimited ? createMailLimits({ limiter, addressOf, logger, isFamiliar }) : null,
    first: isLimited
      ? [
          limits({
            db,
            limiter,
            addressOf,
            endpoints,
            isFamiliar,
            noteFamiliar: (source) => familiar.add(source),
            passwords,
          }),
        ]
      : [],
    last: [auditHooks({ db, key: keys.audit, endpoints, record })],
    record,
  }
}

/** The endpoints that use up a token, or a try of a token, before they hash. */
const USES_UP = new Set(['/reset-password', '/confirm-email'])

/** The caller of the running endpoint, for whom passwords are hashed. */
function turnOf(addressOf: AddressOf, familiar: WeakSet<object>): Turn {
  const running = tryGetCurrentAuthEndpointContext()
  const source = running?.request ?? running?.headers
  if (!source) return NO_CALLER
  const { email } = (running?.body ?? {}) as { email?: unknown }
  const userId = running?.context.session?.user.id ?? null
  return {
    address: addressOf(source instanceof Request ? source : new Headers(source)),
    account: typeof email === 'string' ? email.trim().toLowerCase() : userId,
    ...(familiar.has(source) ? { isFamiliar: true } : {}),
    ...(USES_UP.has(running?.path ?? '') ? { isKept: true } : {}),
  }
}
