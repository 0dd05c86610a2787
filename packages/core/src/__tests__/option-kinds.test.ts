/** The kinds of options: what fits, and the one sentence about what does not. */

import { describe, expect, test } from 'vitest'
import {
  aBoolean,
  aFunction,
  aListOfStrings,
  aNumber,
  aString,
  eitherOf,
  lazy,
  objectOf,
  objectWith,
  oneOf,
  optionProblem,
  recordOf,
  required,
} from '../index.ts'

const members = {
  title: aString,
  isOn: aBoolean,
  days: aNumber,
  words: aListOfStrings,
  alg: oneOf('ES256', 'RS256'),
  check: eitherOf(aBoolean, aFunction),
  keys: eitherOf(objectOf({ keys: required(aListOfStrings) }, 'a key set'), aFunction),
  pages: recordOf(aString),
  oauth: objectOf({ scopes: required(aListOfStrings), page: aString }),
  logger: objectWith('a logger', 'info'),
}
const problem = (options: unknown) => optionProblem('createX', members, options)

test('options of the right kinds have no problem, and those that are left out neither', () => {
  const given = {
    ...{ title: '', isOn: false, days: 0, words: [], alg: 'ES256', check: () => true },
    ...{ keys: { keys: ['a'] }, pages: { home: '/', account: undefined }, other: 5 },
    ...{ oauth: { scopes: ['read'] }, logger: { info() {} } },
  }
  expect(problem(given)).toBeNull()
  expect(
    problem(Object.fromEntries(Object.keys(members).map((key) => [key, undefined]))),
  ).toBeNull()
  expect(problem(undefined)).toBeNull()
})

test.each([
  [null, 'The argument of createX is null. Give an object.'],
  ['text', 'The argument of createX is text. Give an object.'],
  [{ title: 5 }, 'createX: title is the number 5. Give a string.'],
  [{ title: null }, 'createX: title is null. Give a string.'],
  [{ title: () => 'x' }, 'createX: title is a function. Give a string.'],
  [{ isOn: 'true' }, 'createX: isOn is text. Give true or false.'],
  [{ days: NaN }, 'createX: days is the number NaN. Give a number.'],
  [{ words: 'a,b' }, 'createX: words is text. Give a list of strings.'],
  [{ words: ['a', 5] }, 'createX: words[1] is the number 5. Give a string.'],
  [{ alg: 'HS256' }, 'createX: alg is text. Give ES256 or RS256.'],
  [{ check: 1 }, 'createX: check is the number 1. Give true or false or a function.'],
  [{ keys: [] }, 'createX: keys is a list. Give a key set or a function.'],
  [{ keys: {} }, 'createX: keys.keys is missing. Give a list of strings.'],
  [{ pages: { home: 5 } }, 'createX: pages.home is the number 5. Give a string.'],
  [{ pages: [] }, 'createX: pages is a list. Give an object.'],
  [{ oauth: {} }, 'createX: oauth.scopes is missing. Give a list of strings.'],
  [{ oauth: { scopes: [], page: {} } }, 'createX: oauth.page is an object. Give a string.'],
  [{ logger: {} }, 'createX: logger has no function info. Give a logger.'],
  [{ logger: null }, 'createX: logger is not an object. Give a logger.'],
])('of %j the problem is told in one sentence', (options, expected) => {
  expect(problem(options)).toBe(expected)
})

describe('an object with functions', () => {
  test('is not made for the check where it is lazy', () => {
    const logger = lazy((): { info(): void } => {
      throw new Error('made')
    })
    expect(problem({ logger })).toBeNull()
  })

  test('may be a function that has them', () => {
    expect(problem({ logger: Object.assign(() => {}, { info() {} }) })).toBeNull()
  })
})
