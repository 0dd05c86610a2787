/**
 * A kind of options: objects that are used by their functions, such as a logger or a database client.
 *
 * @module
 */

import { types } from 'node:util'
import type { OptionKind } from './option-kinds.ts'

/**
 * An object with functions of these names. A proxy, such as a value of `lazy`, is not asked for its members, because
 * that would make the value.
 */
export const objectWith = (give: string, ...names: readonly string[]): OptionKind => ({
  give,
  problem(value, name) {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    if (!isObject && typeof value !== 'function') {
      return `${name} is not an object. Give ${give}.`
    }
    if (types.isProxy(value)) return null
    const missing = names.find((each) => typeof Reflect.get(value, each) !== 'function')
    return missing === undefined ? null : `${name} has no function ${missing}. Give ${give}.`
  },
})
