/** The cookies of one browser, as its tabs share them. */

export interface Jar {
  /** As a `cookie` header. */
  readonly cookie: string
  readonly names: string[]
  /** Keeps what an answer sets, and returns the answer. */
  keep(answer: Response): Response
}

export function createJar(): Jar {
  const kept = new Map<string, string>()
  return {
    get cookie() {
      return [...kept].map(([name, value]) => `${name}=${value}`).join('; ')
    },
    get names() {
      return [...kept.keys()]
    },
    keep(answer) {
      for (const line of answer.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
        if (/max-age=0/i.test(line)) kept.delete(name)
        else kept.set(name, value)
      }
      return answer
    },
  }
}
