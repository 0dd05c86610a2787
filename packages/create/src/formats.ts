/**
 * Values in files that belong to the host: read, set and removed one at a time, so that comments, order and
 * indentation stay as they are. The last key of an entry in a list begins with `+`.
 *
 * @module
 */

import { applyEdits, findNodeAtLocation, getNodeValue, modify, parseTree } from 'jsonc-parser'
import { isMap, isSeq, parseDocument } from 'yaml'
import { codeFormatOf, type Format, isCode, replacing } from './code-formats.ts'
import { hasWindowsLines, plainLines, unixLines } from './files.ts'

/** The format of a file, by its name. */
export function formatOf(file: string): Format {
  const format = isCode(file)
    ? codeFormatOf(file)
    : /\.jsonc?$/.test(file)
      ? replacing(json)
      : file.endsWith('.yaml')
        ? yaml
        : file.includes('.env')
          ? env
          : file.endsWith('.md')
            ? markdown
            : lines
  // A byte order mark and the line ends of Windows survive an edit.
  const keeping = (text: string, edit: (plain: string) => string) => {
    const mark = text.startsWith('\uFEFF') ? '\uFEFF' : ''
    const edited = edit(plainLines(text.slice(mark.length)))
    return mark + (hasWindowsLines(text) ? edited.replaceAll('\n', '\r\n') : edited)
  }
  return {
    get: (text, keys) => format.get(unixLines(text).replace(/^\uFEFF/, ''), keys),
    set: (text, keys, value) => keeping(text, (plain) => format.set(plain, keys, value)),
    remove: (text, keys) => keeping(text, (plain) => format.remove(plain, keys)),
  }
}

const isEntry = (keys: readonly string[]) => keys.at(-1)?.startsWith('+') === true
const entryOf = (keys: readonly string[]) => keys.at(-1)?.slice(1) ?? ''

/** The keys whose members a package manager keeps in alphabetical order. */
const SORTED = /^(dependencies|devDependencies|overrides|resolutions)$/

const json: Format = {
  get(text, keys) {
    const node = nodeAt(text, keys)
    if (!isEntry(keys)) return node ? JSON.stringify(getNodeValue(node)) : undefined
    const list: unknown = node && getNodeValue(node)
    return Array.isArray(list) && list.includes(entryOf(keys)) ? '' : undefined
  },
  set(text, keys, value) {
    const plain = text.trim() === '' ? '{}\n' : text
    const formattingOptions = indentOf(plain)
    const parents = keys.slice(0, -1)
    const parent = parents.length > 0 ? nodeAt(plain, parents) : undefined
    if (!isEntry(keys) && parents.length > 0 && (!parent || parent.type === 'null')) {
      return json.set(json.set(plain, parents, '{}'), keys, value)
    }
    if (!isEntry(keys)) {
      const isSorted = SORTED.test(keys.at(-2) ?? '')
      const place = (names: string[]) => names.filter((name) => name < (keys.at(-1) ?? '')).length
      const options = isSorted
        ? { formattingOptions, getInsertionIndex: place }
        : { formattingOptions }
      return applyEdits(plain, modify(plain, [...keys], JSON.parse(value), options))
    }
    const path = keys.slice(0, -1)
    const node = nodeAt(plain, keys)
    const list: unknown = node ? getNodeValue(node) : []
    const next = [...(Array.isArray(list) ? list : [list]), entryOf(keys)]
    return applyEdits(plain, modify(plain, path, next, { formattingOptions }))
  },
  remove(text, keys) {
    const formattingOptions = indentOf(text)
    if (!isEntry(keys)) {
      const without = applyEdits(text, modify(text, [...keys], undefined, { formattingOptions }))
      const parent = keys.slice(0, -1)
      // An object that was made for the value goes with the last of its members.
      const rest = parent.length > 0 ? nodeAt(without, parent) : undefined
      return rest?.type === 'object' && rest.children?.length === 0
        ? json.remove(without, parent)
        : without
    }
    const path = keys.slice(0, -1)
    const node = nodeAt(text, keys)
    const list: unknown = node && getNodeValue(node)
    if (!Array.isArray(list)) return text
    const next = list.filter((each) => each !== entryOf(keys))
    const value = next.length === 0 ? undefined : next
    return applyEdits(text, modify(text, path, value, { formattingOptions }))
  },
}

function nodeAt(text: string, keys: readonly string[]) {
  const tree = parseTree(text, [], { allowTrailingComma: true })
  const path = isEntry(keys) ? keys.slice(0, -1) : keys
  return tree && findNodeAtLocation(tree, [...path])
}

function indentOf(text: string): { insertSpaces: boolean; tabSize: number; eol: string } {
  const [, indent = '  '] = /\n([ \t]+)\S/.exec(text) ?? []
  return {
    insertSpaces: !indent.includes('\t'),
    tabSize: indent.includes('\t') ? 1 : indent.length,
    eol: '\n',
  }
}

const yaml: Format = {
  get(text, keys) {
    const document = parseDocument(text)
    if (!isEntry(keys)) {
      const value = document.getIn(keys)
      return value === undefined ? undefined : JSON.stringify(value)
    }
    const list = document.getIn(keys.slice(0, -1))
    return isSeq(list) && (list.toJSON() as unknown[]).includes(entryOf(keys)) ? '' : undefined
  },
  set(text, keys, value) {
    const document = parseDocument(text)
    if (!isEntry(keys)) document.setIn(keys, JSON.parse(value))
    else if (isSeq(document.getIn(keys.slice(0, -1))))
      document.addIn(keys.slice(0, -1), entryOf(keys))
    else document.setIn(keys.slice(0, -1), document.createNode([entryOf(keys)]))
    return written(document, text)
  },
  remove(text, keys) {
    const document = parseDocument(text)
    const path = keys.slice(0, -1)
    const parent = document.getIn(path)
    if (isEntry(keys) && isSeq(parent)) {
      const at = (parent.toJSON() as unknown[]).indexOf(entryOf(keys))
      if (at >= 0) document.deleteIn([...path, at])
    } else document.deleteIn(keys)
    const rest = document.getIn(path)
    if (path.length > 0 && (isSeq(rest) || isMap(rest)) && rest.items.length === 0)
      document.deleteIn(path)
    return written(document, text)
  },
}

/** The document with the indentation of the text that it comes from. */
function written(document: ReturnType<typeof parseDocument>, text: string): string {
  const [, indent = '  '] = /^( +)\S/m.exec(text) ?? []
  const indentSeq = !/^- /m.test(text)
  return document.toString({ lineWidth: 0, indent: Math.max(indent.length, 2), indentSeq })
}

/** A file of lines, such as `.gitignore`. */
const lines: Format = {
  get: (text, keys) => (text.split('\n').includes(entryOf(keys)) ? '' : undefined),
  set: (text, keys) => `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${entryOf(keys)}\n`,
  remove: (text, keys) =>
    text
      .split('\n')
      .filter((line) => line !== entryOf(keys))
      .join('\n'),
}

/** A file of variables. A value is a block: comments, and the lines of the variables that they explain. */
const env: Format = {
  get(text, keys) {
    const at = blocksOf(text).find(({ names }) => names.includes(keys[0] ?? ''))
    return at?.text
  },
  set(text, _, value) {
    const has = new Set(blocksOf(text).flatMap(({ names }) => names))
    const missing = value.split('\n').filter((line) => !has.has(nameIn(line) ?? ''))
    const gap = text === '' || text.endsWith('\n\n') ? '' : text.endsWith('\n') ? '\n' : '\n\n'
    return `${text}${gap}${missing.join('\n')}\n`
  },
  remove(text, keys) {
    const at = blocksOf(text).find(({ names }) => names.includes(keys[0] ?? ''))
    if (!at) return text
    const whole = text.endsWith('\n') ? text : `${text}\n`
    return whole.replace(`${at.text}\n`, '').replace(/\n{3,}/g, '\n\n')
  },
}

/** A page. A value is the text between two markers that have its key's name. */
const markdown: Format = {
  get: (text, keys) => blockIn(text, keys)?.value,
  set(text, keys, value) {
    const block = `<!-- ${keys[0]}: begin -->\n${value}\n<!-- ${keys[0]}: end -->\n`
    const at = blockIn(text, keys)
    if (at) return text.slice(0, at.from) + block + text.slice(at.to)
    const gap = text === '' || text.endsWith('\n\n') ? '' : text.endsWith('\n') ? '\n' : '\n\n'
    return text + gap + block
  },
  remove(text, keys) {
    const at = blockIn(text, keys)
    if (!at) return text
    const before = text.slice(0, at.from).trimEnd()
    const after = text.slice(at.to).replace(/^\n+/, '')
    return before === '' || after === ''
      ? `${before}${before === '' ? '' : '\n'}${after}`
      : `${before}\n\n${after}`
  },
}

/** The block between the markers of a key, with its place. Null: there is none, or its end is missing. */
function blockIn(text: string, keys: readonly string[]) {
  const begin = `<!-- ${keys[0]}: begin -->\n`
  const end = `\n<!-- ${keys[0]}: end -->`
  const from = text.indexOf(begin)
  const last = from < 0 ? -1 : text.indexOf(end, from)
  if (last < 0) return null
  const to = last + end.length
  return {
    value: text.slice(from + begin.length, last),
    from,
    to: text[to] === '\n' ? to + 1 : to,
  }
}

const nameIn = (line: string): string | null =>
  /^\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=/.exec(line)?.[1] ?? null

/** A block of a file of variables. */
export interface EnvBlock {
  /** The variables. */
  names: string[]
  /** The comments and the variables' lines. */
  text: string
}

/** The blocks of a file of variables. A block ends where a comment or an empty line follows a variable. */
export function blocksOf(text: string): EnvBlock[] {
  const blocks: EnvBlock[] = []
  let open: string[] = []
  const close = () => {
    const names = open.flatMap((line) => nameIn(line) ?? [])
    if (names.length > 0) blocks.push({ names, text: open.join('\n') })
    open = []
  }
  for (const line of unixLines(text).split('\n')) {
    const hasVariable = open.some((each) => nameIn(each) !== null)
    if (line.trim() === '' || (line.startsWith('#') && hasVariable)) close()
    if (line.trim() !== '') open.push(line)
  }
  close()
  return blocks
}
