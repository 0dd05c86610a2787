/**
 * Billing periods. A monthly period that starts on the 31st ends on the last day of a shorter month and
 * returns to the 31st later, because the anchor's day counts.
 *
 * @module
 */

import type { Recurring } from '../server/base-objects.ts'

const DAY = 86_400

/** The end of the period that starts at `start`; all times are in Unix seconds. */
export function periodEnd(
  start: number,
  anchor: number,
  recurring: Pick<Recurring, 'interval' | 'interval_count'>,
): number {
  const { interval, interval_count: count } = recurring
  if (interval === 'day') return start + count * DAY
  if (interval === 'week') return start + count * 7 * DAY
  const months = interval === 'year' ? count * 12 : count
  const from = new Date(start * 1000)
  const end = new Date(start * 1000)
  end.setUTCDate(1)
  end.setUTCMonth(from.getUTCMonth() + months)
  const lastDay = new Date(Date.UTC(end.getUTCFullYear(), end.getUTCMonth() + 1, 0)).getUTCDate()
  end.setUTCDate(Math.min(new Date(anchor * 1000).getUTCDate(), lastDay))
  return Math.floor(end.getTime() / 1000)
}

/** The period that contains `at`, among the periods counted from `anchor`. */
export function periodAround(
  anchor: number,
  at: number,
  recurring: Pick<Recurring, 'interval' | 'interval_count'>,
): { start: number; end: number } {
  let start = anchor
  let end = periodEnd(start, anchor, recurring)
  while (end <= at) {
    start = end
    end = periodEnd(start, anchor, recurring)
  }
  return { start, end }
}

/** The time `days` days after `start`, in Unix seconds. */
export const daysAfter = (start: number, days: number): number => start + days * DAY

/** The same day and time `months` months later, or the last day of a shorter month. */
export const monthsAfter = (start: number, months: number): number =>
  periodEnd(start, start, { interval: 'month', interval_count: months })
