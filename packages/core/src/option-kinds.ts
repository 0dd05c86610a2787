/**
 * Checks the kinds of a factory's options. Promise: an option of a wrong kind is one clear error when the factory is
 * called, which names the option and says what to give. The error never shows a value, which may be a secret.
 *
 * @module
 */

import { kindOf } from './arguments.ts'

/** A kind of values. */
export interface OptionKind {
  /** What to give, such as `a string`. */
  give: string
  /** A sentence about a value that does not fit, which begins with its `name`; null for a value that fits. */
  problem(value: unknown, name: string): string | null
  /** Whether the option may not be left out. */
  isRequired?: boolean
}

const misfit = (value: unknown, name: string, give: string): string =>
  value === undefined
    ? `${name} is missing. Give ${give}.`
    : `${name} is ${kindOf(value)}. Give ${give}.`

/** A kind of all values that fit; `give` says what to give. */
export const kind = (give: string, fits: (value: unknown) => boolean): OptionKind => ({
  give,
  problem: (value, name) => (fits(value) ? null : misfit(value, name, give)),
})

/** A string. */
export const aString = kind('a string', (value) => typeof value === 'string')
/** `true` or `false`. */
export const aBoolean = kind('true or false', (value) => typeof value === 'boolean')
/** A number other than NaN. */
export const aNumber = kind(
  'a number',
  (value) => typeof value === 'number' && !Number.isNaN(value),
)
/** A function. */
export const aFunction = kind('a function', (value) => typeof value === 'function')

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)

/** One of `words`. */
export const oneOf = (...words: readonly string[]): OptionKind =>
  kind(words.join(' or '), (value) => words.includes(value as string))

/** A value of one of `kinds`. */
export const eitherOf = (...kinds: readonly OptionKind[]): OptionKind => {
  const give = kinds.map((each) => each.give).join(' or ')
  return {
    give,
    problem(value, name) {
      const problems = kinds.map((each) => each.problem(value, name))
      if (problems.includes(null)) return null
      // The problem of a member says more than that of the whole.
      return problems.find((each) => !each?.startsWith(`${name} is`)) ?? misfit(value, name, give)
    },
  }
}

/** A list of values of one kind. */
export const listOf = (each: OptionKind, give: string): OptionKind => ({
  give,
  problem(value, name) {
    if (!Array.isArray(value)) return misfit(value, name, give)
    return first(value.map((item: unknown, at) => each.problem(item, `${name}[${at}]`)))
  },
})

/** A list of strings. */
export const aListOfStrings = listOf(aString, 'a list of strings')

/** An object with names of the host's own choice. A member that is undefined fits. */
export const recordOf = (each: OptionKind, give = 'an object'): OptionKind => ({
  give,
  problem(value, name) {
    if (!isObject(value)) return misfit(value, name, give)
    const items = Object.entries(value)
    const given = items.filter(([, item]) => item !== undefined)
    return first(given.map(([key, item]) => each.problem(item, member(name, key))))
  },
})

/** An object with these members. A member that is left out or undefined fits, unless it is required. */
export const objectOf = (
  members: Readonly<Record<string, OptionKind>>,
  give = 'an object',
): OptionKind => ({
  give,
  problem(value, name) {
    if (!isObject(value)) return misfit(value, name, give)
    return first(
      Object.entries(members).map(([key, each]) => {
        const item: unknown = Reflect.get(value, key)
        if (item === undefined && !each.isRequired) return null
        return each.problem(item, member(name, key))
      }),
    )
  },
})

/** The same kind for an option that may not be left out. */
export const required = (of: OptionKind): OptionKind => ({ ...of, isRequired: true })

const member = (name: string, key: string): string => (name === '' ? key : `${name}.${key}`)

const first = (problems: readonly (string | null)[]): string | null =>
  problems.find((each) => each !== null) ?? null

/**
 * The first problem of a factory's options; null without one. `of` names the factory, such as `createAuth`.
 * `undefined` counts as no options.
 */
export function optionProblem(
  of: string,
  members: Readonly<Record<string, OptionKind>>,
  options: unknown,
): string | null {
  if (options === undefined) return null
  if (!isObject(options)) return misfit(options, `The argument of ${of}`, 'an object')
  const problem = objectOf(members).problem(options, '')
  return problem && `${of}: ${problem}`
}
