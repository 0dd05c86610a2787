import { describe, expect, test } from 'vitest'
import {
  amountProblem,
  amountStep,
  formatMoney,
  majorUnits,
  maxAmount,
  minorDigits,
} from '../index.ts'

describe('minor units are those of Stripe', () => {
  // ICU has none of these in the same way: it gives them no decimals, or (mga) two.
  test.each([
    ...['huf', 'idr', 'cop', 'pkr', 'isk', 'ugx', 'lbp', 'all', 'afn', 'mmk', 'lak', 'rsd', 'twd'],
    ...['usd', 'EUR'],
  ])('%s has two decimals', (currency) => {
    expect(minorDigits(currency)).toBe(2)
    expect(majorUnits(290_000, currency)).toBe(2900)
  })
  test.each([
    ...['bif', 'clp', 'djf', 'gnf', 'jpy', 'kmf', 'krw', 'mga', 'pyg', 'rwf', 'vnd', 'vuv', 'xaf'],
    ...['xof', 'XPF'],
  ])('%s has none', (currency) => expect(minorDigits(currency)).toBe(0))
  test.each(['bhd', 'jod', 'kwd', 'omr', 'TND'])('%s has three', (currency) => {
    expect(minorDigits(currency)).toBe(3)
    expect(amountStep(currency)).toBe(10)
  })
})

describe('the largest and smallest charges', () => {
  test.each([
    ['idr', 999_999_999_999],
    ['cop', 9_999_999_999],
    ['INR', 999_999_999],
    ['huf', 999_999_999_999],
    ['usd', 99_999_999],
    ['krw', 99_999_999],
  ])('of %s at most %i', (currency, most) => {
    expect(maxAmount(currency)).toBe(most)
    expect(amountProblem(most, currency)).toBeNull()
    expect(amountProblem(most + 1, currency)).toContain(`${most}`)
  })

  test.each([
    ['kwd', 5124, '10'],
    ['isk', 550, '100'],
    ['ugx', 1, '100'],
  ])('a fraction of %s that cards do not support is refused', (currency, amount, step) => {
    expect(amountProblem(amount, currency)).toContain(`multiple of ${step}`)
  })

  test.each([0, -1, 1.5, Number.NaN, '5', null, 2 ** 53])('%s is not an amount', (amount) => {
    expect(amountProblem(amount, 'usd')).not.toBeNull()
  })

  test('forints are charged with two decimals', () => {
    expect(amountProblem(1045, 'huf')).toBeNull()
  })
})

test.each([
  [2900, 'usd', '$29.00'],
  [2900, 'jpy', '¥2,900'],
  [2900, 'kwd', 'KWD 2.900'],
  [290_000, 'huf', 'HUF 2,900'],
  [290_050, 'huf', 'HUF 2,900.50'],
  [2_500_000_000, 'idr', 'IDR 25,000,000'],
  [999_999_999_999, 'idr', 'IDR 9,999,999,999.99'],
  [-500, 'usd', '-$5.00'],
])('%i %s reads %s', (amount, currency, text) => {
  // ICU puts a narrow or a plain no-break space.
  expect(formatMoney(amount, currency).replace(/\s/g, ' ')).toBe(text)
})
