/**
 * A mask for what is written down: no key, token, password, card number or e-mail address of a text or a value comes out,
 * in time that grows with the text and no faster. What comes out is bounded, can be written as JSON, and
 * no value makes it throw.
 *
 * @module
 */

/** Characters of one text; the rest is left out before anything is looked for. */
const MAX_TEXT = 8_192
const MAX_KEY = 200
/** Entries of one object or list. */
const MAX_ENTRIES = 100
/** Values of everything that is logged at once, and the characters of its texts. */
const MAX_VALUES = 2_000
const MAX_CHARACTERS = 65_536
const MAX_DEPTH = 6

const LEFT_OUT = '[…]'
const UNREADABLE = '[unreadable]'

const SECRET_FIELD =
  /^(authorization|cookie|set-cookie|passphrase|number|card[-_]?number|cv[cv]2?|.*(secret|token|password|api[-_]?key)(s|_?hash)?|private[-_]?key)$/is

// Each pattern is tried once for a run of characters and reads it a fixed number of times. One that
// begins anywhere in a run and reads it to the end takes a time that grows with the square of its length.

// Prefixed keys (Stripe, Resend, webhook secrets, Cal.com) keep their prefix and last four
// characters: enough to tell which key it was, not enough to use it.
const PREFIXED_KEY =
  /\b((?:sk|rk|pk)_(?:live|test)_|whsec_|re_|cal_(?:live_)?|creem_(?:test_)?)([A-Za-z0-9_]{8,})\b/g
// The first part of a run that looks like a JWT's header, where two dots follow the run.
const JWT = /(?<![\w-])(?=[\w-]+\.[\w-]*\.)([\w-]*?)\beyJ[\w-]{5,}\.[\w-]*\.[\w-]*(?:\.[\w-]+)*/g
const BEARER = /\b(Bearer|Basic)\s+[\w.~+/=-]{8,}/gi
const URL_PASSWORD = /(:\/\/[^\s:@/]*):[^\s/]+@/g
const OPEN_URL_PASSWORD = /(:\/\/[^\s:@/]*):[^\s/]*$/
const SECRET_QUERY = /([?&#](?:code|state|signature|sig|ref)=)[^&\s"']+/gi
const SECRET_PAIR = /(?<![\w-])([\w-]*(?:token|secret|password|api[-_]?key)=)[^&\s"']+/gi

/** `text` with every key, token, connection password, card number and e-mail address masked; of a long text its beginning. */
export function maskText(text: string): string {
  const kept = cut(text)
  const masked = maskAll(kept)
  return kept.length === text.length
    ? masked
    : `${masked}[… ${text.length - kept.length} more characters]`
}

/** As `maskText`, however long `text` is. */
export function maskAll(text: string): string {
  let masked = text
  // Most texts have none of these, and looking for that first is cheaper than the patterns.
  if (masked.includes('://')) masked = masked.replace(URL_PASSWORD, '$1:***@')
  if (masked.includes('=')) {
    masked = masked.replace(SECRET_QUERY, '$1***').replace(SECRET_PAIR, '$1***')
  }
  if (masked.includes('eyJ')) masked = masked.replace(JWT, '$1[token]')
  if (masked.includes('_')) masked = masked.replace(PREFIXED_KEY, shortened)
  return maskAddresses(maskCards(masked.replace(BEARER, '$1 [token]')))
}

/** Digits in groups, as card numbers are written, and no part of a word. */
const DIGITS = /(?<!\w)\d+(?:[ -]\d+)*(?!\w)/g
const CARD_DIGITS = { least: 13, most: 19 }

/** Each group is looked at with those after it that a card number has room for, so a long run takes no longer. */
function maskCards(text: string): string {
  if (!/\d(?:[ -]?\d){12}/.test(text)) return text
  return text.replace(DIGITS, (run) => {
    const groups = run.split(/([ -])/)
    for (let at = 0; at < groups.length; at += 2) {
      const end = endOfCard(groups, at)
      if (end === null) continue
      groups.splice(at, end - at + 1, '[card]')
    }
    return groups.join('')
  })
}

/** The last group of a card number that begins with the group at `from`; null where none does. */
function endOfCard(groups: readonly string[], from: number): number | null {
  let digits = ''
  for (let at = from; at < groups.length; at += 2) {
    digits += groups[at]
    if (digits.length > CARD_DIGITS.most) return null
    if (digits.length >= CARD_DIGITS.least && isCard(digits)) return at
  }
  return null
}

/** By its first digit, which a time in milliseconds does not have, and its check digit (ISO/IEC 7812, Luhn). */
function isCard(digits: string): boolean {
  if (!/^[2-6]/.test(digits)) return false
  let sum = 0
  for (let at = 0; at < digits.length; at += 1) {
    const digit = Number(digits[digits.length - 1 - at])
    const twice = at % 2 === 1 ? digit * 2 : digit
    sum += twice > 9 ? twice - 9 : twice
  }
  return sum % 10 === 0
}

const shortened = (_: string, prefix: string, rest: string) => `${prefix}…${rest.slice(-4)}`

/**
 * The beginning of a long text, without half a secret: no pattern knows a token or address by its
 * beginning. So the word at the cut goes as a whole, and an address's open password with it. A word
 * ends at a character that neither a token nor the part of an e-mail address before its `@` may hold.
 */
function cut(text: string): string {
  if (text.length <= MAX_TEXT) return text
  let end = MAX_TEXT
  while (end > 0 && !/[\s"'<>(),;&]/.test(text.charAt(end - 1))) end -= 1
  return text.slice(0, end).replace(OPEN_URL_PASSWORD, '$1:***')
}

/** What separates words, and the `@` of an e-mail address, also as it stands in a URL. */
const SEPARATOR = /[\s@*"'<>(),;:/\\=&?]|%40/g
const DOMAIN =
  /(?:[\p{L}\p{M}\p{N}_-]+[.\u3002\uff0e\uff61])+\p{L}[\p{L}\p{M}\p{N}_-]+|\[[^\]\s]{1,64}\]/uy

/** Goes from `@` to `@`: a pattern that begins with the part before it would read each run again and again. */
function maskAddresses(text: string): string {
  if (!text.includes('@') && !text.includes('%40')) return text
  let masked = ''
  let done = 0
  let word = 0
  for (const { 0: separator, index } of text.matchAll(SEPARATOR)) {
    if (index < done) continue
    const after = index + separator.length
    if (separator !== '@' && separator !== '%40') {
      word = after
      continue
    }
    const isPart = index > word || (done > 0 && index === done)
    DOMAIN.lastIndex = after
    if (isPart && DOMAIN.test(text)) {
      masked += `${text.slice(done, word)}${index === done && done > 0 ? '' : '[email]'}`
      done = DOMAIN.lastIndex
      word = done
    } else if (separator === '@') word = after
  }
  return masked + text.slice(done)
}

/** What is left to write of one line. */
interface Budget {
  values: number
  characters: number
}

/**
 * A copy of `value` that may be logged and written as JSON: keys and texts masked, errors as
 * `{ name, code, message, stack, cause, errors }`, and bounded in depth, entries and characters. Never throws.
 */
export function mask(value: unknown): unknown {
  return copy(value, { values: MAX_VALUES, characters: MAX_CHARACTERS }, [])
}

/** @param above the objects that `value` stands in */
function copy(value: unknown, budget: Budget, above: readonly object[]): unknown {
  budget.values -= 1
  if (budget.values < 0) return LEFT_OUT
  switch (typeof value) {
    case 'string':
    case 'bigint':
    case 'symbol':
      return written(String(value), budget)
    case 'function':
      return '[function]'
    case 'number':
      return isCard(String(value)) && value > 1e12 ? '[card]' : value
    case 'object':
      return value === null ? null : readable(() => copyObject(value, budget, above))
    default:
      return value
  }
}

/** What `read` says. A getter, a proxy or an object without a prototype may throw at any look at it. */
function readable(read: () => unknown): unknown {
  try {
    return read()
  } catch {
    return UNREADABLE
  }
}

function written(text: string, budget: Budget): string {
  if (budget.characters <= 0) return LEFT_OUT
  const masked = maskText(text)
  budget.characters -= masked.length
  return masked
}

function copyObject(value: object, budget: Budget, above: readonly object[]): unknown {
  if (above.includes(value)) return '[circular]'
  if (above.length >= MAX_DEPTH) return LEFT_OUT
  const within = [...above, value]
  const each = (item: unknown) => copy(item, budget, within)
  if (value instanceof Error) return copyError(value, each)
  if (Array.isArray(value)) return copyList(value, value.length, each)
  if (value instanceof Set) return copyList(Set.prototype.values.call(value), value.size, each)
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    return `[${value.byteLength} bytes]`
  }
  const plain = plainOf(value)
  if (plain !== undefined) return each(plain)
  const names = value instanceof Map ? [...Map.prototype.keys.call(value)] : Object.keys(value)
  const read = (name: unknown) =>
    value instanceof Map ? Map.prototype.get.call(value, name) : Reflect.get(value, String(name))
  const entries = names.slice(0, MAX_ENTRIES).map((name): [string, unknown] => {
    const key = typeof name === 'string' ? name : String(each(name))
    return [written(key, budget).slice(0, MAX_KEY), readable(() => fieldOf(key, read(name), each))]
  })
  const more = names.length - entries.length
  return Object.fromEntries(more > 0 ? [...entries, ['…', `[${more} more]`]] : entries)
}

const fieldOf = (name: string, value: unknown, each: (item: unknown) => unknown): unknown =>
  SECRET_FIELD.test(name) && value !== null && value !== undefined ? '***' : each(value)

function copyError(error: Error, each: (item: unknown) => unknown): object {
  const read = (name: string) => readable(() => each(Reflect.get(error, name)))
  const stack = read('stack')
  const cause = read('cause')
  return {
    name: read('name'),
    ...('code' in error ? { code: read('code') } : {}),
    message: read('message'),
    ...(stack ? { stack } : {}),
    ...(cause === undefined ? {} : { cause }),
    ...(error instanceof AggregateError ? { errors: read('errors') } : {}),
  }
}

function copyList(
  list: Iterable<unknown>,
  length: number,
  each: (item: unknown) => unknown,
): unknown[] {
  const items: unknown[] = []
  for (const item of list) {
    if (items.length === MAX_ENTRIES) return [...items, `[${length - MAX_ENTRIES} more]`]
    items.push(each(item))
  }
  return items
}

/** The text, number or truth value that an object stands for; undefined for any other object. */
function plainOf(value: object): string | number | bigint | boolean | undefined {
  if (value instanceof Date) {
    const time = Date.prototype.getTime.call(value)
    return Number.isNaN(time) ? 'Invalid Date' : new Date(time).toISOString()
  }
  if (value instanceof URL) return value.href
  if (value instanceof String) return String.prototype.valueOf.call(value)
  if (value instanceof Number) return Number.prototype.valueOf.call(value)
  if (value instanceof Boolean) return Boolean.prototype.valueOf.call(value)
  if (value instanceof BigInt) return BigInt.prototype.valueOf.call(value)
  return undefined
}
