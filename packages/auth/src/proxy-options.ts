/**
 * Checks the kinds of the options of `createProxy`, in few bytes. Elsewhere `option-kinds.ts` of core does this.
 *
 * @module
 */

import { AuthError } from './errors.ts'

/** Says whether a value fits, and what to give. */
type Check = readonly [fits: (value: unknown) => boolean, give: string]

const member = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined

/** A string. */
export const isString: Check = [(value) => typeof value === 'string', 'a string']
/** A list of strings. */
export const isListOfStrings: Check = [
  (value) => Array.isArray(value) && value.every((each) => typeof each === 'string'),
  'a list of strings',
]
/** Public keys, or the URL to fetch them from. */
export const isKeySource: Check = [
  (value) => value instanceof URL || Array.isArray(member(value, 'keys')),
  'a JSON Web Key Set or a URL object',
]
/** Checks the argument of the function `of`. @throws `invalid_options` (500), which names the option */
export function requireKinds(of: string, options: object, checks: Record<string, Check>): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new AuthError('invalid_options', `${of}: give an object with options.`)
  }
  for (const [name, [fits, give]] of Object.entries(checks)) {
    const value = member(options, name)
    if (value === undefined || fits(value)) continue
    throw new AuthError('invalid_options', `${of}: ${name} must be ${give}.`)
  }
}
