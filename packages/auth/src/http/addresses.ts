/**
 * The address that a request comes from. Rate limits, the audit log and Better Auth all use the same one. The
 * options are checked when auth is created, because a malformed list of proxies would trust nobody or
 * everybody.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { isIP } from 'node:net'
import { isDevelopment, isTest } from '@better-auth/core/env'
import type { Logger } from '@repo/core'
import {
  type AddressOf,
  type AddressOptions,
  createAddressOf as createReader,
} from '@repo/core/rate-limit'

/** Passes the address of a request to Better Auth, so that its sessions and limits use the same address. */
export interface AddressTeller {
  /** Puts the address of `req` into a header of our own and returns `req`, whose headers must be mutable. */
  tell(req: Request): Request
  /** Better Auth's `advanced.ipAddress`. */
  options: { ipAddressHeaders: string[]; trustedProxies?: string[] }
}

/**
 * Better Auth's own reader of addresses understands neither ports nor brackets. So we set a header that it
 * reads first; it reads the other headers where the host calls `auth.api` with headers. The name of our
 * header is random, so that no caller can send it.
 */
export function createAddressTeller(
  { ipAddressHeaders = ['x-forwarded-for'], trustedProxies }: AddressOptions,
  addressOf: AddressOf,
): AddressTeller {
  const header = `x-address-${randomBytes(16).toString('hex')}`
  return {
    tell(req) {
      const address = addressOf(req)
      if (address !== null) req.headers.set(header, address)
      return req
    },
    options: {
      ipAddressHeaders: [header, ...ipAddressHeaders],
      ...(trustedProxies ? { trustedProxies } : {}),
    },
  }
}

/**
 * Reads the caller's address. In development and tests an unknown address becomes 127.0.0.1, as in Better
 * Auth.
 *
 * @throws `invalid_options` for a malformed header name, address or range
 */
export function createAddressOf(options: AddressOptions): AddressOf {
  const read = createReader(options)
  return (source) => read(source) ?? (isDevelopment() || isTest() ? '127.0.0.1' : null)
}

/**
 * Warns when a public host does not say which proxies it trusts. A caller who reaches such a host directly
 * can choose the address that limits use, and behind two proxies every address is unknown.
 */
export function checkProxies(options: AddressOptions, baseURL: string, logger: Logger): void {
  const { protocol, hostname } = new URL(baseURL)
  const isPublic = protocol === 'https:' && hostname !== 'localhost' && !isIP(hostname)
  if (!isPublic || options.ipAddressHeaders?.length || options.trustedProxies?.length) return
  logger.warn(
    { header: 'x-forwarded-for' },
    'Neither ipAddressHeaders nor trustedProxies is set: rate limits go by an x-forwarded-for that anyone can send unless a proxy of yours replaces it.',
  )
}
