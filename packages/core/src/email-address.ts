/**
 * E-mail addresses in one form: `ada@münchen.example` and `ada@XN--MNCHEN-3YA.example` are one address, and a
 * domain whose letters only look like those of another is never taken for that one. Runs anywhere.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5321#section-4.1.2
 * @see https://www.unicode.org/reports/tr39/#Restriction_Level_Detection
 * @module
 */

/** RFC 5321, 4.5.3.1: of a local part, of a label, of a domain, of a path less its brackets. */
const MAX = { local: 64, label: 63, domain: 253, address: 254 }

/** Words of RFC 5322's `atext` with dots between them. Quoted local parts and letters beyond ASCII are refused. */
const LOCAL = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/i

const LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/

/** The last label has letters, or is one in another script. */
const TOP_LEVEL = /^(?:[a-z]{2,}|xn--[a-z0-9-]+)$/

/** Scripts that may stand in one label: one alone, or those that Japanese, Korean and Chinese are written in. */
const SCRIPTS = [
  ...['Latin', 'Cyrillic', 'Greek', 'Armenian', 'Georgian', 'Hebrew', 'Arabic', 'Ethiopic'],
  ...['Devanagari', 'Bengali', 'Gurmukhi', 'Gujarati', 'Oriya', 'Tamil', 'Telugu', 'Kannada'],
  ...['Malayalam', 'Sinhala', 'Thai', 'Lao', 'Khmer', 'Myanmar', 'Tibetan', 'Mongolian'],
  'Latin|Han|Hiragana|Katakana',
  'Latin|Han|Hangul',
  'Latin|Han|Bopomofo',
].map((names) => {
  const scripts = [...names.split('|'), 'Common', 'Inherited']
  return new RegExp(`^[${scripts.map((name) => `\\p{scx=${name}}`).join('')}]+$`, 'u')
})

/**
 * The address with its domain in ASCII and lower case, as mail servers know it; the local part stays as it is.
 * Null for a text that is anything but one address: with a blank, a display name, a quoted local part.
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

/** A label of another script in Punycode. */
function encodedLabel(label: string): string | null {
  if (!isPlain(label) || !SCRIPTS.some((script) => script.test(label))) return null
  const url = `http://${label}.example`
  const { hostname } = URL.canParse(url) ? new URL(url) : { hostname: '' }
  return hostname.startsWith('xn--') ? hostname.slice(0, -'.example'.length) : null
}

/** Letters, marks, digits and dashes, each of which stands for itself: a full-width `ａ` would become an `a`. */
const isPlain = (label: string): boolean =>
  [...label].every((letter) => {
    if (!/^[\p{L}\p{M}\p{N}-]$/u.test(letter) || /\p{Default_Ignorable_Code_Point}/u.test(letter)) {
      return false
    }
    if (letter <= '\x7f') return true
    const folded = letter.toLowerCase().normalize('NFKC')
    return !/[\0-\x7f]/.test(folded) && folded === letter.toLowerCase().normalize('NFC')
  })
