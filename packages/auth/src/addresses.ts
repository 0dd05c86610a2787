/**
 * Where a request comes from, as far as the host's own proxy or server says so. Checked when auth is made:
 * a list of proxies that cannot be read would trust nobody, or everybody.
 *
 * @module
 */

import { isIP } from 'node:net'
import type { Logger } from '@repo/core'
import { getIP } from 'better-auth/api'
import { AuthError } from './errors.ts'

export interface AddressOptions {
  /**
   * Headers that hold the caller's address, the first that is there. They must be set by your own proxy or
   * server: anyone can send one. Default `x-forwarded-for`.
   */
  ipAddressHeaders?: string[]
  /**
   * Addresses or CIDR ranges of your proxies, needed when the header lists several: the last that is not
   * among them is the caller. Default none: a list says nothing.
   */
  trustedProxies?: string[]
}

/** Better Auth's `advanced.ipAddress`. */
export function ipAddressOptions({ ipAddressHeaders, trustedProxies }: AddressOptions) {
  return {
    ipAddressHeaders: ipAddressHeaders ?? ['x-forwarded-for'],
    ...(trustedProxies ? { trustedProxies } : {}),
  }
}

/** The caller's address, of an IPv6 one the network (/64); null where it is not known. */
export type AddressOf = (source: Request | Headers) => string | null

/** @throws `invalid_options` for what is no header, address or range */
export function createAddressOf(options: AddressOptions): AddressOf {
  for (const header of options.ipAddressHeaders ?? []) {
    if (!/^[\w-]+$/.test(header)) {
      throw new AuthError('invalid_options', `${JSON.stringify(header)} is not a header's name.`)
    }
  }
  for (const proxy of options.trustedProxies ?? []) {
    if (!isRange(proxy)) {
      throw new AuthError(
        'invalid_options',
        `The trusted proxy ${JSON.stringify(proxy)} is neither an address nor a CIDR range.`,
      )
    }
  }
  const ipAddress = ipAddressOptions(options)
  return (source) => getIP(source, { advanced: { ipAddress } })
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

function isRange(value: string): boolean {
  const [address = '', bits, ...more] = value.split('/')
  const version = isIP(address)
  if (version === 0 || more.length > 0) return false
  if (bits === undefined) return true
  return /^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128)
}
