/**
 * Masks keys, tokens, passwords, card numbers and e-mail addresses in text and values that are logged. Its
 * time grows no faster than the text. The result is bounded in size and valid as JSON, and no value makes the
 * mask throw.
 *
 * @module
 */

/** Characters kept of one text; the rest is cut off before any pattern runs. */
const MAX_TEXT = 8_192
const MAX_KEY = 200
/** Entries kept of one object or list. */
const MAX_ENTRIES = 100
/** Values of one log entry, and the characters of all its texts. */
const MAX_VALUES = 2_000
const MAX_CHARACTERS = 65_536
const MAX_DEPTH = 6

const LEFT_OUT = '[…]'
const UNREADABLE = '[unreadable]'

const SECRET_FIELD =
  /^(authorization|cookie|set-cookie|passphrase|number|card[-_]?number|cv[cv]2?|[\s\S]*(secret|token|password|api[-_]?key)(s|_?hash)?|private[-_]?key)$/i

// Each pattern starts once per run of characters and reads the run a fixed number of times. A pattern that
// can start anywhere in a run and reads it to the end would take time quadratic in its length.

// Prefixed keys (Stripe, Resend, webhook secrets, Cal.com, Creem) keep their prefix and last four characters:
// enough to tell which key it was, not enough to use it.
const PREFIXED_KEY =
  /\b((?:sk|rk|pk)_(?:live|test)_|whsec_|re_|cal_(?:live_)?|creem_(?:test_)?)([A-Za-z0-9_]{8,})\b/g
// Matches a JWT from the first part of a run that looks like a JWT header, if two dots follow.
const JWT = /(?<![\w-])(?=[\w-]+\.[\w-]*\.)([\w-]*?)\beyJ[\w-]{5,}\.[\w-]*\.[\w-]*(?:\.[\w-]+)*/g
const BEARER = /\b(Bearer|Basic)\s+[\w.~+/=-]{8,}/gi
const URL_PASSWORD = /(:\/\/[^\s:@/]*):[^\s/]+@/g
const OPEN_URL_PASSWORD = /(:\/\/[^\s:@/]*):[^\s/]*$/
const SECRET_QUERY = /([?&#](?:code|state|signature|sig|ref)=)[^&\s"']+/gi
const SECRET_PAIR = /(?<![\w-])([\w-]*(?:token|secret|password|api[-_]?key)=)[^&\s"']+/gi

/**
 * Masks every key, token, connection password, card number and e-mail address in `text`. A long text is cut
 * first.
 */
export function maskText(text: string): string {
  const kept = cut(text)
  const masked = maskAll(kept)
  return kept.length === text.length
    ? masked
    : `${masked}[… ${text.length - kept.length} more characters]`
}

/** Like `maskText`, but without a limit of length. */
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

/** Digits in groups, as card numbers are written, outside of words. */
const DIGITS = /(?<!\w)\d+(?:[ -]\d+)*(?!\w)/g
const CARD_DIGITS = { least: 13, most: 19 }

/** Each group is joined with only as many later groups as fit into a card number, so long runs stay fast. */
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

/** The index of the last group of a card number that begins with the group at `from`; null if there is none. */
function endOfCard(groups: readonly string[], from: number): number | null {
  let digits = ''
  for (let at = from; at < groups.length; at += 2) {
    digits += groups[at]
    if (digits.length > CARD_DIGITS.most) return null
    if (digits.length >= CARD_DIGITS.least && isCard(digits)) return at
  }
  return null
}

/** Checks the first digit, which excludes times in milliseconds, and the check digit (ISO/IEC 7812, Luhn). */
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
 * Cuts a long text without leaving half a secret, because no pattern recognizes the first half of a token or
 * address. The whole word at the cut is removed, and so is an unfinished password in a URL. A word ends at a
 * character that can stand neither in a token nor in the local part of an e-mail address.
 */
function cut(text: string): string {
  if (text.length <= MAX_TEXT) return text
  let end = MAX_TEXT
  while (end > 0 && !/[\s"'<>(),;&]/.test(text.charAt(end - 1))) end -= 1
  return text.slice(0, end).replace(OPEN_URL_PASSWORD, '$1:***')
}

/** Separates words. Includes the `@` of an e-mail address, also in its URL-encoded form. */
const SEPARATOR = /[\s@*"'<>(),;:/\\=&?]|%40/g
const DOMAIN =
  /(?:[\p{L}\p{M}\p{N}_-]+[.\u3002\uff0e\uff61])+\p{L}[\p{L}\p{M}\p{N}_-]+|\[[^\]\s]{1,64}\]/uy

/** Moves from `@` to `@`. A pattern that starts with the local part would read each run again and again. */
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

/** The remaining allowance of one log entry. */
interface Budget {
  values: number
  characters: number
}

/**
 * Returns a copy of `value` that is safe to log and valid as JSON: keys and texts are masked, errors become
 * `{ name, code, message, stack, cause, errors }`, and depth, entries and characters are bounded. Never
 * throws.
 */
export function mask(value: unknown): unknown {
  return copy(value, { values: MAX_VALUES, characters: MAX_CHARACTERS }, [])
}

/** @param above the objects that contain `value`, outermost first */
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

/** The result of `read`. A getter, a proxy or an object without a prototype can throw on any access. */
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

/** The string, number or boolean that an object wraps; undefined for any other object. */
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
