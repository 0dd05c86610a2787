/**
 * An e-mail address as it is stored and compared.
 *
 * @module
 */

import { domainToASCII } from 'node:url'
import { z } from 'zod'

const address = z.email().max(254)

/**
 * `text` in lower case, its domain in ASCII (RFC 5891); null where that is no address with which a person could
 * sign in.
 */
export function readAddress(text: string): string | null {
  const trimmed = text.trim()
  const at = trimmed.lastIndexOf('@')
  if (at < 1) return null
  const domain = domainToASCII(trimmed.slice(at + 1))
  const whole = `${trimmed.slice(0, at)}@${domain}`.toLowerCase()
  // Lower-casing makes an address of letters that look alike another person's.
  return address.safeParse(`${trimmed.slice(0, at)}@${domain}`).success ? whole : null
}
