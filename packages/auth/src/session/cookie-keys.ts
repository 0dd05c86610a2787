/**
 * Signs each cookie with a key of its own name. Better Auth signs all cookies, and other texts, with one key
 * and leaves the name out of the signature, so the value of one cookie would pass as another. Browsers
 * therefore get each cookie signed with the key of its name; Better Auth sees it signed with its own key,
 * which never leaves this process.
 *
 * Better Auth also sees a clean header: only cookies of this host, each name once.
 *
 * @module
 */

import type { Keys } from '../database/keys.ts'
import { cookiesAt } from './cookies.ts'
import { type CookieSigner, createCookieSigner } from './signed-cookie.ts'

/** Looks like a signed cookie but has a wrong signature, so that Better Auth refuses it. */
const REFUSED = `refused.${'A'.repeat(43)}=`

/** How many signers are kept in memory. */
const MOST_SIGNERS = 256

/** Translates cookies between the browser's keys and Better Auth's key. */
export interface CookieKeys {
  /** The signer of the cookie `name` as browsers hold it. */
  signerOf(name: string): CookieSigner
  /** The signer of all cookies as Better Auth sees them. */
  inner: CookieSigner
  /** A copy of a browser's `headers` with the cookies re-signed for Better Auth. */
  inward(headers: Headers): Promise<Headers>
  /** Re-signs the `Set-Cookie` lines in Better Auth's `headers` for the browser, in place. */
  outward(headers: Headers): Promise<void>
}

/** Makes the translation for the host at `origin`. */
export function createCookieKeys(keys: Keys, origin: string): CookieKeys {
  const { prefix, access, renewed } = cookiesAt(origin)
  // These two cookies need no signature: one holds a signed token, the other is only a mark.
  const unsigned = [access, renewed]
  const signers = new Map<string, CookieSigner>()
  const inner = createCookieSigner(keys.betterAuth)

  function signerOf(name: string): CookieSigner {
    const known = signers.get(name)
    if (known) return known
    // Callers choose the names, so the number of signers is limited.
    if (signers.size >= MOST_SIGNERS) signers.clear()
    const signer = createCookieSigner(keys.cookie(name))
    signers.set(name, signer)
    return signer
  }

  async function inside(name: string, value: string): Promise<string> {
    if (unsigned.includes(name)) return value
    const opened = await signerOf(name).open(value)
    return opened === null ? REFUSED : inner.seal(opened)
  }

  async function outside(line: string): Promise<string> {
    const [, name = '', value = '', attributes = ''] = /^([^=]+)=([^;]*)([\s\S]*)$/.exec(line) ?? []
    // An empty value deletes the cookie.
    if (unsigned.includes(name) || value === '') return line
    const opened = await inner.open(value)
    if (opened === null) return line
    // Browsers accept a `__Host-` cookie only with the path `/`.
    const forHost = attributes.replace(/; *path=[^;]*/i, '; Path=/')
    return `${name}=${await signerOf(name).seal(opened)}${forHost}`
  }

  return {
    signerOf,
    inner,
    async inward(headers) {
      const copy = new Headers(headers)
      const cookie = headers.get('cookie')
      if (cookie === null) return copy
      const own = ownCookies(cookie, prefix)
      const pairs = await Promise.all(
        [...own].map(async ([name, value]) => `${name}=${await inside(name, value)}`),
      )
      copy.delete('cookie')
      if (pairs.length > 0) copy.set('cookie', pairs.join('; '))
      return copy
    },
    async outward(headers) {
      const lines = headers.getSetCookie()
      if (lines.length === 0) return
      headers.delete('set-cookie')
      for (const line of lines) headers.append('set-cookie', await outside(line))
    },
  }
}

/** How many cookies are read. A header may hold thousands, and each costs a signature. */
const MOST_NAMES = 16

/**
 * The cookies of this host by name. A name that occurs twice is left out: a browser keeps one cookie per
 * name, so the other was planted.
 */
function ownCookies(header: string, prefix: string): Map<string, string> {
  const found = new Map<string, string>()
  const twice = new Set<string>()
  for (const pair of header.split(';')) {
    const at = pair.indexOf('=')
    const name = pair.slice(0, Math.max(at, 0)).trim()
    if (!name.startsWith(`${prefix}.`)) continue
    if (found.has(name)) twice.add(name)
    else if (found.size < MOST_NAMES) found.set(name, pair.slice(at + 1).trim())
  }
  for (const name of twice) found.delete(name)
  return found
}

/** The arguments of a server function that matter here. */
interface Called {
  headers?: ConstructorParameters<typeof Headers>[0]
  asResponse?: boolean
  returnHeaders?: boolean
}

/**
 * Wraps Better Auth's server functions for the host: they take the headers of a browser's request, and the
 * `Set-Cookie` lines that they return are for a browser.
 */
export function withCookieKeys<Api extends object>(api: Api, { inward, outward }: CookieKeys): Api {
  const wrapped = Object.entries(api).map(([name, call]) => {
    if (typeof call !== 'function') return [name, call]
    const translated = async (input?: Called) => {
      const headers = input?.headers && (await inward(new Headers(input.headers)))
      const returned = await call({ ...input, ...(headers ? { headers } : {}) })
      if (returned instanceof Response) return translatedResponse(returned, outward)
      if (input?.returnHeaders && returned?.headers instanceof Headers) {
        await outward(returned.headers)
      }
      return returned
    }
    return [name, Object.assign(translated, { path: call.path, options: call.options })]
  })
  return Object.fromEntries(wrapped)
}

/**
 * The answer with its cookies re-signed for a browser. It is a copy, because some answers have immutable
 * headers.
 */
export async function translatedResponse(
  answer: Response,
  outward: CookieKeys['outward'],
): Promise<Response> {
  if (answer.headers.getSetCookie().length === 0) return answer
  const headers = new Headers(answer.headers)
  await outward(headers)
  const { status, statusText, body } = answer
  return new Response(body, { status, statusText, headers })
}
