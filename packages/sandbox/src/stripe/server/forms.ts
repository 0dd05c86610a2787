/**
 * Form bodies as Stripe reads them. `items[0][price]=price_1&metadata[plan]=PRO` becomes an object, and
 * {@link Params} reads typed values from it or refuses them in Stripe's words.
 *
 * @module
 */

import { parseUrl } from '@repo/core'
import type { Metadata } from './base-objects.ts'
import { invalid, malformed, missing } from './errors.ts'

/** A decoded form: every leaf is a string, a list is an array. */
export type FormValue = string | FormValue[] | { [key: string]: FormValue }

type Draft = string | Map<string, Draft>

/** Deeper than anything that Stripe accepts. It stops a hostile key from creating deeply nested objects. */
const MAX_DEPTH = 8

/** Decodes a query string or form body with bracketed names. */
export function parseForm(text: string): { [key: string]: FormValue } {
  const root = new Map<string, Draft>()
  for (const [name, value] of new URLSearchParams(text)) {
    const path = pathOf(name)
    let node = root
    for (const [depth, part] of path.entries()) {
      // `expand[]=a&expand[]=b` counts up, as every encoder of this format expects.
      const key = part === '' ? String(node.size) : part
      if (depth === path.length - 1) {
        node.set(key, value)
        break
      }
      const next = node.get(key)
      const child: Map<string, Draft> = next instanceof Map ? next : new Map()
      node.set(key, child)
      node = child
    }
  }
  return finish(root, true) as { [key: string]: FormValue }
}

function pathOf(name: string): string[] {
  const open = name.indexOf('[')
  if (open <= 0) return [name]
  const rest = [...name.slice(open).matchAll(/\[([^[\]]*)\]/g)].map((match) => match[1] ?? '')
  const path = [name.slice(0, open), ...rest]
  if (path.length > MAX_DEPTH)
    throw malformed('The request nests its parameters too deeply.', name.slice(0, open))
  return path
}

function finish(draft: Draft, isRoot = false): FormValue {
  if (typeof draft === 'string') return draft
  const keys = [...draft.keys()]
  if (!isRoot && keys.length > 0 && keys.every((key) => /^\d+$/.test(key))) {
    return [...draft.values()].map((item) => finish(item))
  }
  // A null prototype, so that `__proto__` is an ordinary key.
  const object: { [key: string]: FormValue } = Object.create(null)
  for (const [key, item] of draft) object[key] = finish(item)
  return object
}

/** Reads one level of a decoded form. An empty string means "unset": the SDK sends null in this way. */
export class Params {
  readonly #values: { [key: string]: FormValue }
  readonly #path: string

  constructor(values: { [key: string]: FormValue }, path = '') {
    this.#values = values
    this.#path = path
  }

  /** The full name of a key at this level, in brackets. */
  name(key: string): string {
    if (this.#path === '' || this.#path.endsWith('_')) return `${this.#path}${key}`
    return `${this.#path}[${key}]`
  }

  /** This level with `values` added, to build one request from another. */
  with(values: { [key: string]: FormValue }): Params {
    return new Params({ ...this.#values, ...values }, this.#path)
  }

  /** The values of the keys made of `prefix` and one of `names`, as a level of their own. */
  below(prefix: string, names: readonly string[]): Params {
    const sent = names.flatMap((name) => {
      const value = this.#values[`${prefix}${name}`]
      return value === undefined ? [] : [[name, value] as const]
    })
    return new Params(Object.fromEntries(sent), prefix)
  }

  has(key: string): boolean {
    return this.#values[key] !== undefined
  }

  /** Whether the caller sent the empty string to clear the value. */
  clears(key: string): boolean {
    return this.#values[key] === ''
  }

  /** Whether the value is a plain string, where a parameter may also be an object. */
  isText(key: string): boolean {
    return typeof this.#values[key] === 'string'
  }

  keys(): string[] {
    return Object.keys(this.#values)
  }

  /** The string; undefined if absent, null if cleared. */
  text(key: string, maxLength = 5000): string | null | undefined {
    const value = this.#values[key]
    if (value === undefined) return undefined
    if (typeof value !== 'string')
      throw malformed(`Invalid string: ${this.name(key)}`, this.name(key))
    if (value.length > maxLength) {
      throw malformed(`Invalid string: must be at most ${maxLength} characters`, this.name(key))
    }
    return value === '' ? null : value
  }

  /** The string. @throws `parameter_missing`, or `parameter_invalid_empty` for the empty string. */
  required(key: string): string {
    const value = this.text(key)
    if (value === undefined) throw missing(this.name(key))
    if (value !== null) return value
    throw invalid(
      `You passed an empty string for '${this.name(key)}'.`,
      this.name(key),
      'parameter_invalid_empty',
    )
  }

  /** A whole number; undefined if absent or cleared. */
  integer(key: string): number | undefined {
    const value = this.text(key)
    if (value === undefined || value === null) return undefined
    if (!/^-?\d{1,15}$/.test(value)) {
      throw invalid(`Invalid integer: ${value}`, this.name(key), 'parameter_invalid_integer')
    }
    return Number(value)
  }

  /** `true` or `false`; undefined if absent or cleared. */
  flag(key: string): boolean | undefined {
    const value = this.text(key)
    if (value === undefined || value === null) return undefined
    if (value !== 'true' && value !== 'false') {
      throw malformed(`Invalid boolean: ${value}`, this.name(key))
    }
    return value === 'true'
  }

  /** One of `options`; undefined if absent or cleared. */
  choice<Option extends string>(key: string, options: readonly Option[]): Option | undefined {
    const value = this.text(key)
    if (value === undefined || value === null) return undefined
    const found = options.find((option) => option === value)
    if (found !== undefined) return found
    const last = options.at(-1)
    const list = options.length < 2 ? last : `${options.slice(0, -1).join(', ')} or ${last}`
    throw malformed(`Invalid ${this.name(key)}: must be one of ${list}`, this.name(key))
  }

  /** An absolute http(s) URL, unchanged, because it may contain a template in braces. */
  url(key: string): string | null | undefined {
    const value = this.text(key)
    if (value === undefined || value === null) return value
    const protocol = parseUrl(value)?.protocol
    if (protocol === 'http:' || protocol === 'https:') return value
    throw invalid(
      'Not a valid URL. URLs must begin with http or https.',
      this.name(key),
      'url_invalid',
    )
  }

  /** The level below; undefined if absent or cleared. */
  object(key: string): Params | undefined {
    const value = this.#values[key]
    if (value === undefined || value === '') return undefined
    if (typeof value === 'string' || Array.isArray(value)) {
      throw malformed(`Invalid object: ${this.name(key)}`, this.name(key))
    }
    return new Params(value, this.name(key))
  }

  /** A list of objects; empty if absent. */
  objects(key: string): Params[] {
    return this.#list(key).map((item, index) => {
      const path = `${this.name(key)}[${index}]`
      if (typeof item === 'string' || Array.isArray(item)) {
        throw malformed(`Invalid object: ${path}`, path)
      }
      return new Params(item, path)
    })
  }

  /** A list of strings; empty if absent. */
  strings(key: string): string[] {
    return this.#list(key).map((item, index) => {
      const path = `${this.name(key)}[${index}]`
      if (typeof item !== 'string') throw malformed(`Invalid string: ${path}`, path)
      return item
    })
  }

  /**
   * `current` with the sent metadata added. An empty value removes its key; an empty string instead of the
   * object removes all. At most 50 keys of 40 characters with values of 500.
   */
  metadata(current: Metadata = {}, key = 'metadata'): Metadata {
    if (this.clears(key)) return {}
    const sent = this.object(key)
    const next = { ...current }
    for (const name of sent?.keys() ?? []) {
      if (name.length > 40) {
        throw malformed('Metadata keys must be at most 40 characters.', this.name(key))
      }
      const value = sent?.text(name, 500)
      if (value === null || value === undefined) delete next[name]
      else next[name] = value
    }
    if (Object.keys(next).length > 50) {
      throw malformed('Metadata can have at most 50 keys.', this.name(key))
    }
    return next
  }

  /** Refuses every key that is not in `known`. @throws `parameter_unknown` */
  only(known: readonly string[]): void {
    const unknown = this.keys().filter((key) => !known.includes(key))
    const first = unknown[0]
    if (first === undefined) return
    const noun = unknown.length === 1 ? 'parameter' : 'parameters'
    throw invalid(
      `Received unknown ${noun}: ${unknown.map((key) => this.name(key)).join(', ')}`,
      this.name(first),
      'parameter_unknown',
    )
  }

  #list(key: string): FormValue[] {
    const value = this.#values[key]
    if (value === undefined || value === '') return []
    if (!Array.isArray(value)) throw malformed(`Invalid array: ${this.name(key)}`, this.name(key))
    return value
  }
}
