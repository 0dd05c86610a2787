/**
 * Values in code that belongs to the host: the wrapper of a Next.js configuration, the plugin of a Vite configuration,
 * the routes of React Router, the call in the file that makes a server, and scripts that a generator wrote. Code in another form than the generator's
 * stays as it is, and its owner changes it.
 *
 * @module
 */

/** Reads and writes one value of a text. Values are texts; JSON's are written as JSON. */
export interface Format {
  /** Undefined: there is no such value. */
  get(text: string, keys: readonly string[]): string | undefined
  set(text: string, keys: readonly string[], value: string): string
  remove(text: string, keys: readonly string[]): string
}

/** The value of code that a command cannot change. */
const UNKNOWN = 'in a form that a command cannot change'

const NEXT = /(^|\/)next\.config\.\w+$/
const ROUTES = /(^|\/)app\/routes\.[jt]s$/
const VITE = /(^|\/)vite\.config\.\w+$/

/** Whether a file is code. */
export const isCode = (file: string): boolean => /\.[cm]?[jt]sx?$/.test(file)

/** The format of a file of code. */
export const codeFormatOf = (file: string): Format =>
  NEXT.test(file) ? nextConfig : VITE.test(file) ? viteConfig : ROUTES.test(file) ? routes : entry

/** What the owner of a file in another form does: `value` is the module that the file would import. */
export function adviceOf(file: string, value: string): string {
  if (NEXT.test(file))
    return `Wrap its configuration yourself: export default withTollgate(…), of ${value}.`
  if (ROUTES.test(file))
    return `Add the routes yourself: [...tollgateRoutes, …], with import { tollgateRoutes } from '${value}'.`
  return VITE.test(file)
    ? `Add the plugin yourself: plugins: [tollgate(), …], with import { tollgate } from '${value}'.`
    : `Mount the handlers yourself, right after the app is made: mountTollgate(app), with import { mountTollgate } from '${value}'.`
}

/** The default export of a configuration of Next.js, which `withTollgate` wraps. The value is the module it is of. */
const nextConfig: Format = {
  get: (text) =>
    importOf(text, 'withTollgate') ?? (DEFAULT_EXPORT.test(text) ? undefined : UNKNOWN),
  set: (text, _, value) =>
    `import { withTollgate } from '${value}'\n${text.replace(DEFAULT_EXPORT, 'export default withTollgate($1)$2')}`,
  remove: (text) =>
    withoutImport(text, 'withTollgate').replace(
      /^export default withTollgate\(([\w$]+)\)/m,
      'export default $1',
    ),
}

const DEFAULT_EXPORT = /^export default ([A-Za-z_$][\w$]*)(;?)[ \t]*$/m

/** A list that gets an entry at its beginning, which is imported. The value is the module that the name is of. */
const listWith = (list: RegExp, name: string, item: string): Format => ({
  get: (text) => importOf(text, name) ?? (beginningOf(text, list) === null ? UNKNOWN : undefined),
  set(text, _, value) {
    const at = beginningOf(text, list) ?? 0
    const [, gap = '', rest = ''] = /^(\s*)(\]?)/.exec(text.slice(at)) ?? []
    const entry = rest === ']' ? item : gap === '' ? `${item}, ` : `${gap}${item},`
    return withImport(text.slice(0, at) + entry + text.slice(at), name, value)
  },
  remove(text) {
    const at = beginningOf(text, list)
    if (at === null) return text
    const [, gap = ''] = /^(\s*)/.exec(text.slice(at)) ?? []
    const after = text.slice(at + gap.length)
    if (!after.startsWith(item)) return withoutImport(text, name)
    const rest = after.slice(item.length).replace(gap === '' ? /^, / : /^,/, '')
    return withoutImport(text.slice(0, at) + rest, name)
  },
})

/** Where the only list of its kind begins. Null: there is no list, or there are several. */
function beginningOf(text: string, list: RegExp): number | null {
  const found = [...codeOf(text).matchAll(list)]
  const [only] = found
  return only && found.length === 1 ? only.index + only[0].length : null
}

/** The plugins of a Vite configuration. */
const viteConfig = listWith(/\bplugins\s*:\s*\[/g, 'tollgate', 'tollgate()')

/** The routes of a React Router app. */
const routes = listWith(/^export default \[/gm, 'tollgateRoutes', '...tollgateRoutes')

/** The call of `mountTollgate` behind the statement that makes the app. The value is the module it is of. */
const entry: Format = {
  get: (text) => importOf(text, 'mountTollgate') ?? (appIn(text) ? undefined : UNKNOWN),
  set(text, _, value) {
    const app = appIn(text)
    if (!app) return text
    const call = `\nmountTollgate(${app.name})${app.end}`
    return withImport(text.slice(0, app.at) + call + text.slice(app.at), 'mountTollgate', value)
  },
  remove: (text) =>
    withoutImport(text, 'mountTollgate').replace(/\nmountTollgate\([\w$]+\);?(?=\n|$)/, ''),
}

const MAKES = /^(?:export )?const ([\w$]+) = (?:new Hono(?:<[\w$<>{}:;, ]*>)?|express)\(/gm

/** The only statement at the top level that makes an app, and where it ends. */
function appIn(text: string): { name: string; at: number; end: string } | null {
  const code = codeOf(text)
  const found = [...code.matchAll(MAKES)]
  const [only] = found
  if (!only || found.length > 1) return null
  let depth = 1
  let at = only.index + only[0].length
  while (at < code.length && depth > 0) {
    if (code[at] === '(') depth += 1
    if (code[at] === ')') depth -= 1
    at += 1
  }
  if (depth > 0) return null
  // A call that follows, such as `.basePath('/api')`, makes another app.
  const [, end] = /^(;?)[ \t]*(?=\n(?!\s*[.[(])|$)/.exec(code.slice(at)) ?? []
  return end === undefined ? null : { name: only[1] ?? '', at: at + end.length, end }
}

const IMPORT = /^import \{ ([\w$]+) \} from ['"]([^'"\n]+)['"];?(?:\n|$)/gm

const importOf = (text: string, name: string): string | undefined =>
  [...text.matchAll(IMPORT)].find(([, each]) => each === name)?.[2]

const withoutImport = (text: string, name: string): string =>
  text.replaceAll(IMPORT, (line: string, each: string) => (each === name ? '' : line))

/** Imports a name before the first import, in the style of that import. */
function withImport(text: string, name: string, from: string): string {
  const first = /^import .*$/m.exec(codeOf(text))
  const line = first ? (text.slice(first.index).split('\n')[0] ?? '') : ''
  const quote = line.includes('"') ? '"' : "'"
  const end = /;\s*$/.test(line) ? ';' : ''
  const at = first?.index ?? 0
  return `${text.slice(0, at)}import { ${name} } from ${quote}${from}${quote}${end}\n${text.slice(at)}`
}

/** The text with blanks for comments and for what is in quotes, so that each place stays where it is. */
function codeOf(text: string): string {
  let code = ''
  let at = 0
  while (at < text.length) {
    const two = text.slice(at, at + 2)
    const one = text[at] ?? ''
    let to = at + 1
    if (two === '//') to = endOf(text, '\n', at, 0)
    else if (two === '/*') to = endOf(text, '*/', at + 2, 2)
    else if (one === '"' || one === "'" || one === '`') to = endOfText(text, at, one)
    code += to === at + 1 ? one : text.slice(at, to).replaceAll(/[^\n]/g, ' ')
    at = to
  }
  return code
}

function endOf(text: string, what: string, from: number, length: number): number {
  const at = text.indexOf(what, from)
  return at < 0 ? text.length : at + length
}

function endOfText(text: string, from: number, quote: string): number {
  let at = from + 1
  while (at < text.length && text[at] !== quote) {
    if (text[at] === '\n' && quote !== '`') return at
    at += text[at] === '\\' ? 2 : 1
  }
  return Math.min(at + 1, text.length)
}

/**
 * Adds values that replace what a generator wrote: the last key is `~` and the text that is replaced, and that comes
 * back when the value is removed.
 */
export function replacing(json: Format): Format {
  const isReplaced = (keys: readonly string[]) => keys.at(-1)?.startsWith('~') === true
  const generated = (keys: readonly string[]) => JSON.stringify(keys.at(-1)?.slice(1) ?? '')
  const place = (keys: readonly string[]) => keys.slice(0, -1)
  return {
    get(text, keys) {
      if (!isReplaced(keys)) return json.get(text, keys)
      const has = json.get(text, place(keys))
      return has === generated(keys) ? undefined : has
    },
    set: (text, keys, value) => json.set(text, isReplaced(keys) ? place(keys) : keys, value),
    remove: (text, keys) =>
      isReplaced(keys) ? json.set(text, place(keys), generated(keys)) : json.remove(text, keys),
  }
}
