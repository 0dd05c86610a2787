/** What callers give to look rows up by: refused where it cannot be meant, with words that say no value. */

import { describe, expect, test } from 'vitest'
import {
  type ArgumentError,
  isTollgateError,
  optional,
  requireDate,
  requireId,
  requireLimit,
  requireOptions,
} from '../index.ts'

const refused = (work: () => unknown): ArgumentError => {
  try {
    return { message: `answered ${work()}` } as ArgumentError
  } catch (error) {
    expect(isTollgateError(error, 'invalid_argument')).toBe(true)
    return error as ArgumentError
  }
}

test('an id is a text that is not empty and can be stored', () => {
  for (const id of ['user_1', '0', 'Ünal', '😀', 'x'.repeat(255)]) {
    expect(requireId('The id', id)).toBe(id)
  }
  expect(refused(() => requireId('The id', undefined))).toMatchObject({
    name: 'ArgumentError',
    status: 400,
    message: 'The id is undefined. Give a string.',
  })
})

describe.each([
  [undefined, 'is undefined'],
  [null, 'is null'],
  ['', 'is empty'],
  [' \n', 'is empty'],
  [{ not: '' }, 'is an object'],
  [['secret'], 'is a list'],
  [Number.NaN, 'is the number NaN'],
  [0, 'is the number 0'],
  [false, 'is a boolean'],
  [new Date(), 'is a date'],
  [new String('secret'), 'is an object'],
  [Symbol('secret'), 'is a symbol'],
  [() => 'secret', 'is a function'],
  ['x'.repeat(256), 'has 256 characters'],
  ['secret\0', 'holds a character'],
  ['secret\ud800', 'holds a character'],
])('%j', (value, says) => {
  test(`as an id ${says}`, () => {
    const { message } = refused(() => requireId('The id', value))
    expect(message).toContain(`The id ${says}`)
    expect(message).not.toContain('secret')
  })
})

test('an option may be left out, and one that is undefined is refused', () => {
  expect(optional({}, 'userId', requireId)).toBeUndefined()
  expect(optional({ userId: 'a' }, 'userId', requireId)).toBe('a')
  expect(refused(() => optional({ userId: undefined }, 'userId', requireId)).message).toBe(
    'userId is undefined. Give a string.',
  )
  const inherited = Object.create({ userId: undefined })
  expect(refused(() => optional(inherited, 'userId', requireId)).status).toBe(400)
})

test('options, limits and dates must have their types', () => {
  expect(requireOptions('The filter', { a: 1 })).toEqual({ a: 1 })
  for (const wrong of [undefined, null, [], 'x', 1]) {
    expect(refused(() => requireOptions('The filter', wrong as never)).message).toContain(
      'filter is',
    )
  }
  expect(requireLimit(1, 5)).toBe(1)
  for (const wrong of [undefined, null, 0, 6, 1.5, Number.NaN, '3', Number.POSITIVE_INFINITY]) {
    expect(refused(() => requireLimit(wrong, 5)).message).toContain('from 1 to 5')
  }
  expect(requireDate('from', new Date(0))).toEqual(new Date(0))
  for (const wrong of [undefined, null, 0, '2026-01-01', new Date(Number.NaN)]) {
    expect(refused(() => requireDate('from', wrong)).message).toContain('Give a date')
  }
})
