/**
 * A visitor without a browser: follows links and redirects, keeps cookies by the rules of sites, and fills in
 * forms. It runs no script. Like a browser, it sends no strict cookies with a request from another site.
 *
 * @module
 */

import { request } from 'node:http'

interface Cookie {
  value: string
  strict: boolean
}

/** What a server answered. */
export interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: string
}

/** A visitor on one page at a time. */
export interface Visitor {
  readonly url: string
  readonly html: string
  /** The text of the page without markup, for checks. */
  readonly text: string
  open(url: string): Promise<void>
  /** Moves to the page inside the page's frame. */
  enterFrame(): void
  /** Follows the link with this text. */
  follow(text: string): Promise<void>
  /** Presses the button whose text begins with `button`; `fields` are named by input name. */
  press(button: string, fields?: Record<string, string>): Promise<void>
  /**
   * Sends a request as a script of the page does, with the host's cookies, and keeps those of the answer. The page stays,
   * and no redirect is followed.
   */
  call(method: string, path: string, body?: object): Promise<Answer>
  /** The cookies of the page's host, as a `cookie` header. */
  readonly cookie: string
  /** Every `set-cookie` header line so far. */
  readonly setCookies: readonly string[]
  /** Whether the page's host has a cookie with this name. */
  holds(cookie: string): boolean
  /** Deletes a cookie of the page's host, as if it had expired. */
  drop(cookie: string): void
}

/** A form's data, encoded as its `enctype` says. */
interface Sent {
  type: string
  text: string
}

/** The headers of a page that is opened, and those of a script's request. */
const NAVIGATION = {
  accept: 'text/html',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': 'document',
}
const SCRIPT = { accept: '*/*', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }

/** `localhost` and `127.0.0.1` are different sites; ports do not matter. */
const siteOf = (url: URL) => url.hostname

/** Makes a visitor without cookies, on no page. */
export function createVisitor(): Visitor {
  const jar = new Map<string, Map<string, Cookie>>()
  const setCookies: string[] = []
  let current = new URL('about:blank')
  let html = ''

  async function navigate(method: string, target: URL, form?: Sent): Promise<void> {
    let url = target
    let initiator = current.protocol === 'about:' ? null : current
    let verb = method
    let body = form
    // A browser also stops after twenty redirects.
    for (let redirects = 0; redirects < 20; redirects += 1) {
      const site =
        initiator === null
          ? 'none'
          : initiator.origin === url.origin
            ? 'same-origin'
            : siteOf(initiator) === siteOf(url)
              ? 'same-site'
              : 'cross-site'
      const answer = await send(verb, url, site, current.origin, body)
      keep(url, answer)
      const location = answer.headers.location
      const refresh = refreshOf(answer)
      if (answer.status >= 300 && answer.status < 400 && typeof location === 'string') {
        url = new URL(location, url)
        // A redirect keeps its initiator, so a strict cookie is withheld along the whole chain.
        if (answer.status === 303 || verb === 'POST') {
          verb = 'GET'
          body = undefined
        }
        continue
      }
      if (refresh !== undefined) {
        current = url
        initiator = url
        url = new URL(refresh, url)
        verb = 'GET'
        body = undefined
        continue
      }
      current = url
      html = answer.body
      if (answer.status >= 400)
        throw new Error(`${verb} ${url.pathname}: ${answer.status} ${words(html)}`)
      return
    }
    throw new Error(`${target.pathname} redirects forever`)
  }

  function send(
    method: string,
    url: URL,
    site: string,
    origin: string,
    form: Sent | undefined,
    asked: Record<string, string> = NAVIGATION,
  ): Promise<Answer> {
    const cookies = [...(jar.get(url.hostname) ?? [])]
      .filter(([, cookie]) => !cookie.strict || site !== 'cross-site')
      .map(([name, cookie]) => `${name}=${cookie.value}`)
    const headers: Record<string, string> = {
      ...asked,
      'sec-fetch-site': site,
      ...(cookies.length > 0 ? { cookie: cookies.join('; ') } : {}),
      ...(form || (asked === SCRIPT && method !== 'GET') ? { origin } : {}),
      ...(form ? { 'content-type': form.type } : {}),
    }
    return new Promise((done, fail) => {
      const req = request(url, { method, headers }, async (res) => {
        let body = ''
        for await (const chunk of res.setEncoding('utf8')) body += chunk
        done({ status: res.statusCode ?? 0, headers: res.headers, body })
      })
      req.on('error', fail)
      req.end(form?.text)
    })
  }

  function keep(url: URL, answer: Answer): void {
    const set = answer.headers['set-cookie']
    const own = jar.get(url.hostname) ?? new Map<string, Cookie>()
    jar.set(url.hostname, own)
    for (const line of Array.isArray(set) ? set : []) {
      setCookies.push(line)
      const [pair = '', ...attributes] = line.split(/;\s*/)
      const name = pair.slice(0, pair.indexOf('='))
      const flags = attributes.join(';').toLowerCase()
      if (/max-age=0|expires=thu, 01 jan 1970/.test(flags)) own.delete(name)
      else
        own.set(name, {
          value: pair.slice(name.length + 1),
          strict: flags.includes('samesite=strict'),
        })
    }
  }

  return {
    get url() {
      return current.href
    },
    get html() {
      return html
    },
    get text() {
      return words(html)
    },
    open(url) {
      // A URL that is typed in has no initiator.
      current = new URL('about:blank')
      return navigate('GET', new URL(url))
    },
    enterFrame() {
      const inner = attribute(/<iframe\b([^>]*)>/.exec(html)?.[1] ?? '', 'srcdoc')
      if (inner === undefined) throw new Error(`No frame on ${current.pathname}`)
      html = inner
    },
    follow(text) {
      const link = [...html.matchAll(/<a\b([^>]*)>([\s\S]*?)<\/a>/g)].find(
        ([, , inner]) => words(inner ?? '') === text,
      )
      const href = attribute(link?.[1] ?? '', 'href')
      if (href === undefined)
        throw new Error(`No link "${text}" on ${current.pathname}: ${words(html)}`)
      return navigate('GET', new URL(href, current))
    },
    press(button, fields = {}) {
      for (const [, head = '', inner = ''] of html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/g)) {
        const pressed = [...inner.matchAll(/<button\b([^>]*)>([\s\S]*?)<\/button>/g)].find(
          ([, , label]) => `${words(label ?? '')} `.startsWith(`${button} `),
        )
        if (!pressed) continue
        const form = new URLSearchParams()
        for (const [, input = ''] of inner.matchAll(/<input\b([^>]*)>/g)) {
          const name = attribute(input, 'name')
          if (name === undefined) continue
          const type = attribute(input, 'type')
          // The first radio button of a group is chosen.
          if (type === 'radio' && form.has(name)) continue
          if (type === 'checkbox' && !/\bchecked\b/.test(input)) continue
          form.set(name, attribute(input, 'value') ?? '')
        }
        const name = attribute(pressed[1] ?? '', 'name')
        if (name !== undefined) form.set(name, attribute(pressed[1] ?? '', 'value') ?? '')
        for (const [field, value] of Object.entries(fields)) form.set(field, value)
        const action = new URL(attribute(head, 'action') || current, current)
        return navigate('POST', action, encoded(form, attribute(head, 'enctype')))
      }
      throw new Error(`No button "${button}" on ${current.pathname}: ${words(html)}`)
    },
    async call(method, path, body) {
      const sent = body && { type: 'application/json', text: JSON.stringify(body) }
      const url = new URL(path, current)
      const answer = await send(method, url, 'same-origin', current.origin, sent, SCRIPT)
      keep(url, answer)
      return answer
    },
    get cookie() {
      const own = [...(jar.get(current.hostname) ?? [])]
      return own.map(([name, { value }]) => `${name}=${value}`).join('; ')
    },
    setCookies,
    holds: (cookie) => jar.get(current.hostname)?.has(cookie) ?? false,
    drop(cookie) {
      jar.get(current.hostname)?.delete(cookie)
    },
  }
}

function encoded(form: URLSearchParams, enctype: string | undefined): Sent {
  if (enctype !== 'multipart/form-data') {
    return { type: 'application/x-www-form-urlencoded', text: String(form) }
  }
  const boundary = 'visitor-7b1f5f0e'
  const parts = [...form].map(
    ([name, value]) =>
      `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  )
  return {
    type: `multipart/form-data; boundary=${boundary}`,
    text: `${parts.join('')}--${boundary}--\r\n`,
  }
}

function refreshOf({ status, headers, body }: Answer): string | undefined {
  if (status !== 200) return undefined
  const header = typeof headers.refresh === 'string' ? headers.refresh : undefined
  const meta = /<meta\s+http-equiv="refresh"\s+content="([^"]*)"/i.exec(body)?.[1]
  return /^0;\s*url=(.*)$/i.exec(header ?? plain(meta ?? ''))?.[1]
}

function attribute(tag: string, name: string): string | undefined {
  // Attribute names keep the case in which the page wrote them.
  const found = new RegExp(`(?:^|\\s)${name}="([^"]*)"`, 'i').exec(tag)?.[1]
  return found === undefined ? undefined : plain(found)
}

const words = (html: string): string =>
  plain(
    html
      .replace(/<!--[\s\S]*?-->|<(style|title|script)[\s\S]*?<\/\1>/g, '')
      .replace(/<[^>]+>/g, ' ')
      .replace(/\s+/g, ' '),
  ).trim()

function plain(text: string): string {
  const entities: Record<string, string> = {
    amp: '&',
    lt: '<',
    gt: '>',
    quot: '"',
    '#39': "'",
    '#x27': "'",
  }
  return text.replace(/&(amp|lt|gt|quot|#39|#x27);/g, (_, name: string) => entities[name] ?? '')
}
