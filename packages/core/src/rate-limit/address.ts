/**
 * Finds the caller's address, as far as the host's own proxy or server vouches for it, and the network around
 * that address. Anyone can send a header, and can begin a list of addresses to which a proxy only appends.
 *
 * @module
 */

import { BlockList, isIP } from 'node:net'
import { TollgateError } from '../errors.ts'

/** How `createAddressOf` finds the caller's address. */
export interface AddressOptions {
  /**
   * Headers that hold the caller's address; the first header with an address wins. Your own proxy or server
   * must set them, because anyone can send a header. `forwarded` is read by RFC 7239. Default
   * `x-forwarded-for`.
   */
  ipAddressHeaders?: string[]
  /**
   * Addresses or CIDR ranges of your proxies. Needed if the header lists several addresses: the last address
   * that is not a trusted proxy is the caller. Default: none, so a list of several addresses is ignored.
   */
  trustedProxies?: string[]
}

/**
 * Returns the caller's address. An IPv4 address is returned in full, also if it is written as IPv6. Of an
 * IPv6 address only the /64 network is returned, because one caller usually has a whole /64. Null if the
 * address is unknown.
 */
export type AddressOf = (source: Request | Headers) => string | null

const MAX_PROXIES = 100

/**
 * Makes a function that finds the caller's address.
 *
 * @throws `invalid_options` (500) for an invalid header name, address or range
 */
export function createAddressOf(options: AddressOptions = {}): AddressOf {
  const { ipAddressHeaders = ['x-forwarded-for'], trustedProxies = [] } = options
  const stranger = ipAddressHeaders.find((name) => !isHeader(name))
  if (stranger !== undefined)
    throw refused(`${JSON.stringify(stranger)} is not a valid header name.`)
  const isTrusted = trusting(trustedProxies)
  const callerIn = (listed: string[], read: (entry: string) => string | null): string | null => {
    if (listed.length > 1 && trustedProxies.length === 0) return null
    // Reads from the end, because the caller can forge every entry before their own. No host has this many
    // proxies.
    for (const entry of listed.slice(-MAX_PROXIES).reverse()) {
      const address = read(entry)
      // An entry without an address was not written by a trusted proxy, so no entry before it can be trusted.
      if (address === null) return null
      if (!isTrusted(address)) return isIP(address) === 4 ? address : networkOfIPv6(address, 4)
    }
    return null
  }
  return (source) => {
    const headers = source instanceof Headers ? source : source.headers
    for (const name of ipAddressHeaders) {
      const read = name.toLowerCase() === 'forwarded' ? forwardedFor : addressIn
      const caller = callerIn(entriesOf(headers.get(name) ?? ''), read)
      if (caller) return caller
    }
    return null
  }
}

/** The part of an address that may be logged: /24 of an IPv4, /48 of an IPv6 address; null for anything else. */
export function networkOf(address: string): string | null {
  const known = addressIn(address)
  if (!known) return null
  return isIP(known) === 4 ? known.replace(/(?<!\d)\d+$/, '0') : networkOfIPv6(known, 3)
}

/** Whether `name` is a valid header name. */
export const isHeader = (name: string): boolean => /^[\w-]+$/.test(name)

/** Whether `text` is an address or a CIDR range. */
export function isRange(text: string): boolean {
  const [, address = '', bits] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const version = isIP(address)
  return version !== 0 && (bits === undefined || Number(bits) <= (version === 4 ? 32 : 128))
}

/** The trimmed entries of a comma-separated list, without empty ones. */
export const entriesOf = (list: string): string[] =>
  list.split(',').flatMap((each) => each.trim() || [])

function trusting(proxies: readonly string[]): (address: string) => boolean {
  // Two lists, because in one list an IPv6 range could also cover every IPv4 address.
  const lists = { ipv4: new BlockList(), ipv6: new BlockList() }
  for (const proxy of proxies) {
    if (!isRange(proxy)) {
      throw refused(
        `The trusted proxy ${JSON.stringify(proxy)} is neither an address nor a CIDR range.`,
      )
    }
    const [address = '', bits] = proxy.split('/')
    const single = bits === undefined ? addressIn(address) : null
    const family = familyOf(single ?? address)
    if (single) lists[family].addAddress(single, family)
    else lists[family].addSubnet(address, Number(bits), family)
  }
  return (address) => lists[familyOf(address)].check(address, familyOf(address))
}

const refused = (message: string) => new TollgateError('invalid_options', 500, message)

const familyOf = (address: string) => (isIP(address) === 6 ? 'ipv6' : 'ipv4')

/** The address in the `for` parameter of a `Forwarded` element. @see https://www.rfc-editor.org/rfc/rfc7239 */
function forwardedFor(element: string): string | null {
  const pairs = element.split(';').map((pair) => pair.trim())
  const [node, ...others] = pairs.filter((pair) => /^for=/i.test(pair))
  return node === undefined || others.length > 0 ? null : addressIn(node.slice('for='.length))
}

/**
 * Parses an address that a proxy wrote, also in quotes, in brackets and with a port. Returns an IPv4 address,
 * or the eight groups of an IPv6 address that does not map an IPv4 one; null if the text is not an address.
 */
function addressIn(text: string): string | null {
  const [, quoted] = /^"([^"]*)"$/.exec(text) ?? []
  const [, inBrackets, single, port = '0'] =
    /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(quoted ?? text) ?? []
  if (Number(port) > 65_535) return null
  if (inBrackets !== undefined) return isIP(inBrackets) === 6 ? canonical(inBrackets) : null
  return canonical(single ?? quoted ?? text)
}

function canonical(text: string): string | null {
  const version = isIP(text)
  if (version === 4) return text
  // An address with a zone belongs to this machine's own network.
  if (version === 0 || text.includes('%')) return null
  // The URL standard writes the shortest form, in lower case and without dots.
  const [before = '', after] = new URL(`http://[${text}]`).hostname.slice(1, -1).split('::')
  const [head, tail] = [before, after ?? ''].map((part) => part.split(':').filter(Boolean))
  const zeros = Array<string>(8 - (head?.length ?? 0) - (tail?.length ?? 0)).fill('0')
  const groups = [...(head ?? []), ...zeros, ...(tail ?? [])]
  if (groups.slice(0, 6).join(':') !== '0:0:0:0:0:ffff') return groups.join(':')
  return groups
    .slice(6)
    .map((group) => Number.parseInt(group, 16))
    .flatMap((pair) => [pair >> 8, pair & 255])
    .join('.')
}

const networkOfIPv6 = (address: string, groups: number): string =>
  `${address.split(':').slice(0, groups).join(':')}::`
