/**
 * Where a request comes from, for limits and the audit log as for Better Auth. Checked when auth is made: a
 * list of proxies that cannot be read would trust nobody, or everybody.
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
import { withHeaders } from './border.ts'

/** The address of a request, told to Better Auth so that its sessions and limits have the same. */
export interface AddressTeller {
  /** `req` with the address in a header of its own. */
  tell(req: Request): Request
  /** Better Auth's `advanced.ipAddress`. */
  options: { ipAddressHeaders: string[]; trustedProxies?: string[] }
}

/**
 * Better Auth has a reader of its own, which knows no ports and no brackets. It is asked for the header that
 * we set first, and reads the others where the host calls `auth.api` with headers. The name of ours is
 * random, so that no caller can send it.
 */
export function createAddressTeller(
  { ipAddressHeaders = ['x-forwarded-for'], trustedProxies }: AddressOptions,
  addressOf: AddressOf,
): AddressTeller {
  const header = `x-address-${randomBytes(16).toString('hex')}`
  return {
    tell(req) {
      const address = addressOf(req)
      if (address === null) return req
      const headers = new Headers(req.headers)
      headers.set(header, address)
      return withHeaders(req, headers)
    },
    options: {
      ipAddressHeaders: [header, ...ipAddressHeaders],
      ...(trustedProxies ? { trustedProxies } : {}),
    },
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
