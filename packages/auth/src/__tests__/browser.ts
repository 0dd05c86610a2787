/** A browser's part over HTTP: keeps cookies by host, sends them back, follows redirects. */

export interface Browser {
  /** Cookies of `localhost`, as a `cookie` header. */
  readonly cookie: string
  /** One request; redirects are not followed. */
  fetch(input: string | URL, init?: RequestInit): Promise<Response>
  /** Follows redirects until one leads to `origin`, and gives that address. */
  until(origin: string, start: string | URL): Promise<URL>
}

export function createBrowser(): Browser {
  const jars = new Map<string, Map<string, string>>()
  const header = (host: string) =>
    [...(jars.get(host) ?? [])].map(([name, value]) => `${name}=${value}`).join('; ')

  const send: Browser['fetch'] = async (input, init = {}) => {
    const { hostname } = new URL(input)
    const headers = new Headers(init.headers)
    const cookie = header(hostname)
    if (cookie) headers.set('cookie', cookie)
    const answer = await fetch(input, { ...init, headers, redirect: 'manual' })
    const jar = jars.get(hostname) ?? new Map<string, string>()
    jars.set(hostname, jar)
    for (const line of answer.headers.getSetCookie()) {
      const pair = line.slice(0, line.indexOf(';'))
      const name = pair.slice(0, pair.indexOf('='))
      if (/max-age=0|expires=thu, 01 jan 1970/i.test(line)) jar.delete(name)
      else jar.set(name, pair.slice(name.length + 1))
    }
    return answer
  }

  return {
    get cookie() {
      return header('localhost')
    },
    fetch: send,
    async until(origin, start) {
      let url = new URL(start)
      for (let hops = 0; hops < 20; hops += 1) {
        if (url.origin === origin) return url
        const answer = await send(url)
        const location = answer.headers.get('location')
        if (!location) throw new Error(`${url.pathname}: ${answer.status} ${await answer.text()}`)
        url = new URL(location, url)
      }
      throw new Error('Too many redirects.')
    },
  }
}
