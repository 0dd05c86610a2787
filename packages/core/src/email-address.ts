/**
 * Puts e-mail addresses into one form: `ada@münchen.example` and `ada@XN--MNCHEN-3YA.example` are the same
 * address. A domain whose letters only look like those of another domain is never mistaken for it. Runs
 * anywhere.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5321#section-4.1.2
 * @see https://www.unicode.org/reports/tr39/#Restriction_Level_Detection
 * @module
 */

import { parseUrl } from './url.ts'

/**
 * The most characters of each part, by RFC 5321, 4.5.3.1. `address` is the limit of a path less its two
 * brackets.
 */
const MAX = { local: 64, label: 63, domain: 253, address: 254 }

/** RFC 5322's `dot-atom` in ASCII. Quoted local parts and letters outside ASCII are refused. */
const LOCAL = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/i

const LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/

/** The top-level label consists of letters, or is an encoded label of another script. */
const TOP_LEVEL = /^(?:[a-z]{2,}|xn--[a-z0-9-]+)$/

/** Scripts allowed in one label: one script alone, or the scripts that Japanese, Korean or Chinese combine. */
const SCRIPTS = [
  ...['Latin', 'Cyrillic', 'Greek', 'Armenian', 'Georgian', 'Hebrew', 'Arabic', 'Ethiopic'],
  ...['Devanagari', 'Bengali', 'Gurmukhi', 'Gujarati', 'Oriya', 'Tamil', 'Telugu', 'Kannada'],
  ...['Malayalam', 'Sinhala', 'Thai', 'Lao', 'Khmer', 'Myanmar', 'Tibetan', 'Mongolian'],
  'Latin|Han|Hiragana|Katakana',
  'Latin|Han|Hangul',
  'Latin|Han|Bopomofo',
]

/** The patterns of `SCRIPTS`, made with the first label outside ASCII: they take longer than importing this package. */
let patterns: RegExp[] | undefined

function inOneScript(label: string): boolean {
  patterns ??= SCRIPTS.map((names) => {
    const scripts = [...names.split('|'), 'Common', 'Inherited']
    return new RegExp(`^[${scripts.map((name) => `\\p{scx=${name}}`).join('')}]+$`, 'u')
  })
  return patterns.some((pattern) => pattern.test(label))
}

/**
 * Returns the address with its domain in lower-case ASCII, as mail servers use it; the local part is
 * unchanged. Returns null if the text is not exactly one address, for instance if it has a blank, a display
 * name or a quoted local part.
 */
export function canonicalEmail(text: string): string | null {
  if (text.length > MAX.address) return null
  const at = text.lastIndexOf('@')
  const local = text.slice(0, Math.max(at, 0))
  if (local.length > MAX.local || !LOCAL.test(local)) return null
  const domain = asciiDomain(text.slice(at + 1))
  if (domain === null) return null
  const address = `${local}@${domain}`
  return address.length > MAX.address ? null : address
}

function asciiDomain(text: string): string | null {
  const labels: string[] = []
  for (const label of text.split('.')) {
    const ascii = asciiLabel(label)
    if (ascii === null) return null
    labels.push(ascii)
  }
  const domain = labels.join('.')
  const isDomain = labels.length > 1 && TOP_LEVEL.test(labels.at(-1) ?? '')
  return isDomain && domain.length <= MAX.domain ? domain : null
}

function asciiLabel(label: string): string | null {
  const ascii = /^[\x21-\x7e]*$/.test(label) ? label.toLowerCase() : encodedLabel(label)
  return ascii !== null && ascii.length <= MAX.label && LABEL.test(ascii) ? ascii : null
}

/** Encodes a label of another script in Punycode; null if the label is refused. */
function encodedLabel(label: string): string | null {
  if (!isPlain(label) || !inOneScript(label)) return null
  const hostname = parseUrl(`http://${label}.example`)?.hostname ?? ''
  return hostname.startsWith('xn--') ? hostname.slice(0, -'.example'.length) : null
}

/**
 * Allows letters, marks, digits and dashes that normalization does not change: a full-width `ａ` would become
 * an `a`.
 */
const isPlain = (label: string): boolean =>
  [...label].every((letter) => {
    if (!/^[\p{L}\p{M}\p{N}-]$/u.test(letter) || /\p{Default_Ignorable_Code_Point}/u.test(letter)) {
      return false
    }
    if (letter <= '\x7f') return true
    const folded = letter.toLowerCase().normalize('NFKC')
    return !/[\0-\x7f]/.test(folded) && folded === letter.toLowerCase().normalize('NFC')
  })
