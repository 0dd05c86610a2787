/** Months of billing periods: the anchor's day is kept over shorter months. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { monthsAfter } from '../index.ts'

const at = (day: string) => new Date(`${day}T09:30:00.500Z`)
const dates = fc.date({
  min: new Date('1970-01-01T00:00:00Z'),
  max: new Date('2200-12-31T23:59:59Z'),
  noInvalidDate: true,
})
const months = fc.integer({ min: -240, max: 240 })
/** Months since the year 0. */
const monthOf = (date: Date) => date.getUTCFullYear() * 12 + date.getUTCMonth()
const DAY_MS = 86_400_000

describe('months after a date', () => {
  test.each([
    ['2027-01-31', 1, '2027-02-28'],
    ['2027-01-31', 2, '2027-03-31'],
    ['2028-01-31', 1, '2028-02-29'],
    ['2028-02-29', 12, '2029-02-28'],
    ['2027-12-15', 1, '2028-01-15'],
    ['2027-03-31', -1, '2027-02-28'],
  ])('%s and %i months are %s', (from, count, to) => {
    expect(monthsAfter(at(from), count)).toEqual(at(to))
  })

  test('with an anchor the day of the month returns after a shorter month', () => {
    const anchor = at('2027-01-31')
    const starts = [anchor]
    for (let n = 0; n < 4; n += 1) starts.push(monthsAfter(starts.at(-1) as Date, 1, anchor))
    expect(starts).toEqual(
      ['2027-01-31', '2027-02-28', '2027-03-31', '2027-04-30', '2027-05-31'].map(at),
    )
  })

  test('month by month from an anchor, or in one step: the same date', () => {
    fc.assert(
      fc.property(dates, fc.integer({ min: 1, max: 60 }), (anchor, count) => {
        let step = anchor
        for (let n = 0; n < count; n += 1) step = monthsAfter(step, 1, anchor)
        expect(step).toEqual(monthsAfter(anchor, count))
      }),
    )
  })

  test('the date is in that month at the same time of day, on the same day or on the last', () => {
    fc.assert(
      fc.property(dates, months, (date, count) => {
        const later = monthsAfter(date, count)
        expect(monthOf(later)).toBe(monthOf(date) + count)
        expect(later.toISOString().slice(-14)).toBe(date.toISOString().slice(-14))
        const isLastDay = new Date(later.getTime() + DAY_MS).getUTCDate() === 1
        expect(later.getUTCDate() === date.getUTCDate() || isLastDay).toBe(true)
        expect(later.getUTCDate()).toBeLessThanOrEqual(date.getUTCDate())
      }),
    )
  })
})
