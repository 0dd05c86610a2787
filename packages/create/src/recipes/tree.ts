/**
 * Edits the call of a function in a TypeScript file by its syntax tree: options are inserted and removed as text, at the
 * places that the tree names, so that everything else keeps its comments and its form.
 *
 * @module
 */

import { parse } from '@babel/parser'

/** A node of a syntax tree, with what is read of it here. The types of Babel would be a dependency of their own. */
export interface Node {
  type: string
  start: number
  end: number
  name?: string
  value?: unknown
  callee?: Node
  arguments?: Node[]
  properties?: Node[]
  computed?: boolean
  key?: Node
  specifiers?: Node[]
  source?: Node
  local?: Node
  declaration?: Node | null
  declarations?: Node[]
  id?: Node
}

/** The statements of a module. Empty: it is not TypeScript that can be read. */
function statementsOf(text: string): Node[] {
  try {
    const { program } = parse(text, { sourceType: 'module', plugins: ['typescript', 'jsx'] })
    return program.body as unknown as Node[]
  } catch {
    return []
  }
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && typeof (value as Node).type === 'string'

/** All nodes of a tree. */
function* nodesOf(node: Node): Generator<Node> {
  yield node
  for (const [key, value] of Object.entries(node)) {
    if (key === 'loc' || /Comments$/.test(key)) continue
    for (const each of Array.isArray(value) ? value : [value])
      if (isNode(each)) yield* nodesOf(each)
  }
}

/** The calls of `callee` in a text. */
export const callsOf = (text: string, callee: string): Node[] =>
  statementsOf(text)
    .flatMap((statement) => [...nodesOf(statement)])
    .filter(
      ({ type, callee: called }) =>
        type === 'CallExpression' && called?.type === 'Identifier' && called.name === callee,
    )

/** The import of `name`; null if there is none. */
const importOf = (text: string, name: string): Node | null =>
  importsOf(text).find(({ specifiers = [] }) =>
    specifiers.some(({ type, local }) => type === 'ImportSpecifier' && local?.name === name),
  ) ?? null

const importsOf = (text: string): Node[] =>
  statementsOf(text).filter(({ type }) => type === 'ImportDeclaration')

/** The modules that a text imports, or exports from. */
export const modulesOf = (text: string): string[] =>
  statementsOf(text).flatMap(({ source }) =>
    typeof source?.value === 'string' ? [source.value] : [],
  )

/** Whether a module has a top-level name. */
export const declares = (text: string, name: string): boolean =>
  importOf(text, name) !== null ||
  statementsOf(text).some((statement) => {
    const inner = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement
    return (
      inner?.type === 'VariableDeclaration' &&
      (inner.declarations ?? []).some(({ id }) => id?.name === name)
    )
  })

/** What an edit of an option found. */
export type OptionEdit =
  /** The text with the option. The objects that lead to it are new from the length `made` of `keys` on. */
  | { state: 'set'; text: string; made: number }
  /** The option has the value already. */
  | { state: 'same' }
  /** The host has another value, which stays. */
  | { state: 'kept' }
  /** The call, or an object in it, has a form that is not edited. */
  | { state: 'unrecognizable' }

/** Sets an option in the one call of `callee`. `keys` leads through objects that are written out. */
export function setOption(
  text: string,
  callee: string,
  keys: readonly string[],
  value: string,
): OptionEdit {
  const calls = callsOf(text, callee)
  const [call] = calls
  if (calls.length !== 1 || !call) return { state: 'unrecognizable' }
  const [argument] = call.arguments ?? []
  if (argument) return setIn(text, argument, keys, value, 0)
  const at = call.end - 1
  return { state: 'set', text: text.slice(0, at) + nested(keys, value) + text.slice(at), made: 0 }
}

const nested = ([key, ...rest]: readonly string[], value: string): string =>
  key === undefined ? value : `{ ${key}: ${nested(rest, value)} }`

function setIn(
  text: string,
  object: Node,
  keys: readonly string[],
  value: string,
  depth: number,
): OptionEdit {
  if (object.type !== 'ObjectExpression') return { state: 'unrecognizable' }
  const [key = '', ...rest] = keys.slice(depth)
  const property = propertyOf(object, key)
  if (property === 'hidden') return { state: 'unrecognizable' }
  if (!property)
    return { state: 'set', text: inserted(text, object, key, nested(rest, value)), made: depth + 1 }
  const found = property.value as Node
  if (rest.length > 0) return setIn(text, found, keys, value, depth + 1)
  return plain(text.slice(found.start, found.end)) === plain(value)
    ? { state: 'same' }
    : { state: 'kept' }
}

/** Texts that differ in spaces and line ends only are the same. */
const plain = (text: string): string => text.replace(/,?\s+/g, ' ').trim()

/** The property of an object; `hidden` where a spread may hold it. */
function propertyOf(object: Node, key: string): Node | 'hidden' | null {
  for (const each of object.properties ?? []) {
    if (each.type !== 'ObjectProperty' || each.computed) continue
    if ((each.key?.name ?? each.key?.value) === key) return each
  }
  const isHidden = object.properties?.some(
    (each) =>
      each.type === 'SpreadElement' || (each.type === 'ObjectMethod' && each.key?.name === key),
  )
  return isHidden ? 'hidden' : null
}

/** The text with a property in front of the others, in their form. */
function inserted(text: string, object: Node, key: string, value: string): string {
  const at = object.start + 1
  const [first] = object.properties ?? []
  if (!first && object.end - object.start === 2)
    return `${text.slice(0, at)} ${key}: ${value} ${text.slice(at)}`
  const gap = first ? text.slice(at, first.start) : ''
  const indent = gap.slice(gap.lastIndexOf('\n') + 1)
  // Only where the first property begins a line has the new one a line of its own.
  if (!gap.includes('\n') || indent.trim() !== '')
    return `${text.slice(0, at)} ${key}: ${value},${text.slice(at)}`
  return `${text.slice(0, at)}\n${indent}${key}: ${value.replaceAll('\n', `\n${indent}`)},${text.slice(at)}`
}

/** An option that `setOption` has set. */
export interface SetOption {
  callee: string
  keys: readonly string[]
  value: string
  /** As `setOption` returned it. */
  made: number
}

/**
 * The text without an option, and without the objects that were made for it and are empty now. Null: somebody has
 * changed the option since.
 */
export function removeOption(
  text: string,
  { callee, keys, value, made }: SetOption,
): string | null {
  const object = objectAt(text, callee, keys.slice(0, -1))
  const property = object && propertyOf(object, keys.at(-1) ?? '')
  if (!property || property === 'hidden') return null
  const { start, end } = property.value as Node
  if (plain(text.slice(start, end)) !== plain(value)) return null
  let rest = without(text, object, property)
  for (let depth = keys.length - 1; depth >= made; depth -= 1) {
    const emptied = objectAt(rest, callee, keys.slice(0, depth))
    if (!emptied || emptied.end - emptied.start !== 2) return rest
    const above = depth === 0 ? null : objectAt(rest, callee, keys.slice(0, depth - 1))
    const holder = above && propertyOf(above, keys[depth - 1] ?? '')
    if (depth === 0) rest = rest.slice(0, emptied.start) + rest.slice(emptied.end)
    else if (above && holder && holder !== 'hidden') rest = without(rest, above, holder)
  }
  return rest
}

/** The object to which `keys` lead in the one call of `callee`; null if it is not written out. */
function objectAt(text: string, callee: string, keys: readonly string[]): Node | null {
  const calls = callsOf(text, callee)
  let object = calls.length === 1 ? calls[0]?.arguments?.[0] : undefined
  for (const key of keys) {
    const inner = object?.type === 'ObjectExpression' ? propertyOf(object, key) : null
    object = inner && inner !== 'hidden' ? (inner.value as Node) : undefined
  }
  return object?.type === 'ObjectExpression' ? object : null
}

function without(text: string, object: Node, property: Node): string {
  const { start, end } = property
  const after = text.slice(end, object.end)
  const isFollowed = after.trimStart().startsWith(',')
  const before = text.slice(object.start + 1, start)
  // The spaces before the property go with it, and those after it stay.
  const from = object.start + 1 + before.trimEnd().length
  if (isFollowed) return text.slice(0, from) + text.slice(end + after.indexOf(',') + 1)
  const isAlone = object.properties?.length === 1 && from === object.start + 1
  const tail = isAlone ? after.length - after.trimStart().length : 0
  return text.slice(0, from).replace(/,$/, '') + text.slice(end + tail)
}

/** The text with `name` added to the import that has `beside`; null where there is no such import. */
export function addImport(text: string, beside: string, name: string): string | null {
  const last = importOf(text, beside)?.specifiers?.at(-1)
  if (!last) return null
  const at = last.end
  return `${text.slice(0, at)}, ${name}${text.slice(at)}`
}

/** The text without a name that `addImport` has added; null where it is not there or still used. */
export function removeImport(text: string, name: string): string | null {
  const specifier = importOf(text, name)?.specifiers?.find(({ local }) => local?.name === name)
  const isUsed = statementsOf(text)
    .filter(({ type }) => type !== 'ImportDeclaration')
    .flatMap((statement) => [...nodesOf(statement)])
    .some((node) => node.name === name)
  const before = specifier ? text.slice(0, specifier.start).trimEnd() : ''
  if (!specifier || isUsed || !before.endsWith(',')) return null
  return before.slice(0, -1) + text.slice(specifier.end)
}
