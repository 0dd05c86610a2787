/**
 * Where a request comes from, as far as the host's own proxy or server says so; and whose neighbours that
 * makes. Anyone can send a header, and begin a list of addresses that a proxy then only adds to.
 *
 * @module
 */

import { BlockList, isIP } from 'node:net'
import { TollgateError } from '../errors.ts'

export interface AddressOptions {
  /**
   * Headers that hold the caller's address, the first that says one. They must be set by your own proxy or
   * server: anyone can send one. `forwarded` is read by RFC 7239. Default `x-forwarded-for`.
   */
  ipAddressHeaders?: string[]
  /**
   * Addresses or CIDR ranges of your proxies, needed when the header lists several: the last that is not
   * among them is the caller. Default none: a list says nothing.
   */
  trustedProxies?: string[]
}

/**
 * The caller's address: an IPv4 one as it is, also where it is written as IPv6; of an IPv6 one the network
 * (/64), which is what one caller has. Null where it is not known.
 */
export type AddressOf = (source: Request | Headers) => string | null

const MAX_PROXIES = 100

/** @throws `invalid_options` for what is no header, address or range */
export function createAddressOf(options: AddressOptions = {}): AddressOf {
  const { ipAddressHeaders = ['x-forwarded-for'], trustedProxies = [] } = options
  const stranger = ipAddressHeaders.find((name) => !isHeader(name))
  if (stranger !== undefined) throw refused(`${JSON.stringify(stranger)} is not a header's name.`)
  const isTrusted = trusting(trustedProxies)
  const callerIn = (listed: string[], read: (entry: string) => string | null): string | null => {
    if (listed.length > 1 && trustedProxies.length === 0) return null
    // From its end: what stands before the caller may be anyone's. Nobody has so many proxies.
    for (const entry of listed.slice(-MAX_PROXIES).reverse()) {
      const address = read(entry)
      // What is no address was written by nobody we know, and so was all that stands before it.
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

/** What a log may keep of an address: /24 of an IPv4, /48 of an IPv6 address; null for anything else. */
export function networkOf(address: string): string | null {
  const known = addressIn(address)
  if (!known) return null
  return isIP(known) === 4 ? known.replace(/(?<!\d)\d+$/, '0') : networkOfIPv6(known, 3)
}

export const isHeader = (name: string): boolean => /^[\w-]+$/.test(name)

/** Whether it is an address or a CIDR range. */
export function isRange(text: string): boolean {
  const [, address = '', bits] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const version = isIP(address)
  return version !== 0 && (bits === undefined || Number(bits) <= (version === 4 ? 32 : 128))
}

/** What stands between commas, without blanks. */
export const entriesOf = (list: string): string[] =>
  list.split(',').flatMap((each) => each.trim() || [])

function trusting(proxies: readonly string[]): (address: string) => boolean {
  // Apart, because in one list a range of IPv6 may cover every IPv4 address, too.
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

/** Whose an element of `Forwarded` says that a request is. @see https://www.rfc-editor.org/rfc/rfc7239 */
function forwardedFor(element: string): string | null {
  const pairs = element.split(';').map((pair) => pair.trim())
  const [node, ...others] = pairs.filter((pair) => /^for=/i.test(pair))
  return node === undefined || others.length > 0 ? null : addressIn(node.slice('for='.length))
}

/**
 * The address of what a proxy wrote: also in quotes, in brackets and with a port. An IPv4 address, or the eight
 * groups of an IPv6 one that is none; null for what is no address.
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
  // With a zone it is an address of this machine's own network.
  if (version === 0 || text.includes('%')) return null
  // The URL standard writes the shortest form, in small letters and without dots.
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
