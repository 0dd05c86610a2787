/**
 * Logging without an opinion: a structural type that pino and `console` wrappers fit, and a mask
 * that keeps secrets and e-mail addresses out of whatever is behind it.
 *
 * @module
 */

/** The first argument holds ids, amounts and transitions; the second is a sentence. */
export type LogMethod = (fields: object, message?: string) => void

/** pino's calling convention, as far as it is used here. */
export interface Logger {
  debug: LogMethod
  info: LogMethod
  warn: LogMethod
  error: LogMethod
}

const SECRET_FIELD =
  /^(authorization|cookie|set-cookie|password|passphrase|secret|token|.*(secret|token|password|apikey|api_key)|client_?secret|private_?key)$/i

// Prefixed keys (Stripe, Resend, webhook secrets, Cal.com) keep their prefix and last four
// characters: enough to tell which key it was, not enough to use it.
const PREFIXED_KEY =
  /\b((?:sk|rk|pk)_(?:live|test)_|whsec_|re_|cal_(?:live_)?|creem_(?:test_)?)([A-Za-z0-9_]{8,})\b/g
const JWT = /\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*/g
const BEARER = /\b(Bearer|Basic)\s+[\w.~+/=-]{8,}/gi
const EMAIL = /[^\s@*"'<>(),;:/\\=&?]+(?:@|%40)(?:[\w-]+\.)+[a-z][\w-]+/gi
const URL_PASSWORD = /(\b[a-z][a-z0-9+.-]*:\/\/[^\s:@/]*):[^\s@/]+@/gi
const SECRET_QUERY = /([?&](?:[\w-]*token|[\w-]*secret|code|state|signature|sig|ref)=)[^&\s"']+/gi

/** `text` with every key, token, connection password and e-mail address masked. */
export function maskText(text: string): string {
  return text
    .replace(URL_PASSWORD, '$1:***@')
    .replace(SECRET_QUERY, '$1***')
    .replace(JWT, '[token]')
    .replace(BEARER, '$1 [token]')
    .replace(PREFIXED_KEY, (_, prefix: string, rest: string) => `${prefix}…${rest.slice(-4)}`)
    .replace(EMAIL, '[email]')
}

/** A copy of `value` that may be logged. Errors become `{ name, code, message, stack }`. */
export function mask(value: unknown, depth = 6): unknown {
  if (typeof value === 'string') return maskText(value)
  if (typeof value === 'bigint') return value.toString()
  if (value === null || typeof value !== 'object') return value
  if (value instanceof Date) return value
  if (depth === 0) return '[…]'
  if (value instanceof Error) {
    const { name, message, stack, cause } = value
    return {
      name,
      ...('code' in value ? { code: mask(value.code, depth - 1) } : {}),
      message: maskText(message),
      ...(stack ? { stack: maskText(stack) } : {}),
      ...(cause === undefined ? {} : { cause: mask(cause, depth - 1) }),
    }
  }
  if (Array.isArray(value)) return value.map((item) => mask(item, depth - 1))
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      SECRET_FIELD.test(key) && item !== null && item !== undefined ? '***' : mask(item, depth - 1),
    ]),
  )
}

/**
 * `sink` behind the mask. Every package puts the host's logger through this. It never throws: a logger
 * that fails, at once or in a promise, must not end what was worth a line, let alone the process.
 */
export function createLogger(sink: Logger = consoleLogger): Logger {
  const through =
    (level: keyof Logger): LogMethod =>
    (fields, message) => {
      try {
        const masked = mask(fields) as object
        const text = message === undefined ? [] : ([maskText(message)] as const)
        const outcome: unknown = sink[level](masked, ...text)
        if (outcome instanceof Promise) outcome.catch(lost)
      } catch {
        lost()
      }
    }
  return {
    debug: through('debug'),
    info: through('info'),
    warn: through('warn'),
    error: through('error'),
  }
}

/** Without the entry, which may be what the logger failed over. */
function lost(): void {
  print('error', {}, 'an entry could not be logged')
}

/** One JSON line an entry, on standard error, `debug` left out. Not masked: see `createLogger`. */
export const consoleLogger: Logger = {
  debug() {},
  info: (fields, message) => print('info', fields, message),
  warn: (fields, message) => print('warn', fields, message),
  error: (fields, message) => print('error', fields, message),
}

function print(level: string, fields: object, message?: string): void {
  const line = { level, time: new Date().toISOString(), msg: message, ...fields }
  process.stderr.write(`${JSON.stringify(line)}\n`)
}
