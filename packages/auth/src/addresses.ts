/**
 * Where a request comes from, for limits and the audit log as for Better Auth. Checked when auth is made: a
 * list of proxies that cannot be read would trust nobody, or everybody.
 *
 * @module
 */

import { isIP } from 'node:net'
import { isDevelopment, isTest } from '@better-auth/core/env'
import type { Logger } from '@repo/core'
import {
  type AddressOf,
  type AddressOptions,
  createAddressOf as createReader,
} from '@repo/core/rate-limit'

/** Better Auth's `advanced.ipAddress`. */
export function ipAddressOptions({ ipAddressHeaders, trustedProxies }: AddressOptions) {
  return {
    ipAddressHeaders: ipAddressHeaders ?? ['x-forwarded-for'],
    ...(trustedProxies ? { trustedProxies } : {}),
  }
}

/**
 * The caller's address; in development and tests that of this machine where none is known, as with Better Auth.
 *
 * @throws `invalid_options` for what is no header, address or range
 */
export function createAddressOf(options: AddressOptions): AddressOf {
  const read = createReader(options)
  return (source) => read(source) ?? (isDevelopment() || isTest() ? '127.0.0.1' : null)
}

/**
 * Warns of a public host that says nothing about its proxies: whoever reaches it directly can then choose
 * the address that limits go by, and behind two proxies nobody has one.
 */
export function checkProxies(options: AddressOptions, baseURL: string, logger: Logger): void {
  const { protocol, hostname } = new URL(baseURL)
  const isPublic = protocol === 'https:' && hostname !== 'localhost' && !isIP(hostname)
  if (!isPublic || options.ipAddressHeaders || options.trustedProxies) return
  logger.warn(
    { header: 'x-forwarded-for' },
    'Neither ipAddressHeaders nor trustedProxies is set: rate limits go by an x-forwarded-for that anyone can send unless a proxy of yours replaces it.',
  )
}
