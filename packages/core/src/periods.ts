/**
 * Calendar months of billing periods, in UTC. A period that begins on the 31st ends on the last day of a shorter
 * month and returns to the 31st after it.
 *
 * @module
 */

/**
 * The time `months` months after `date`, on the day of the month of `anchor`, or on the last day of a shorter month.
 * The time of day is that of `date`. Default anchor: `date`.
 *
 * @example
 * monthsAfter(new Date('2027-02-28T09:00:00Z'), 1) // 2027-03-28T09:00:00Z
 * monthsAfter(new Date('2027-02-28T09:00:00Z'), 1, new Date('2027-01-31T09:00:00Z')) // 2027-03-31T09:00:00Z
 */
export function monthsAfter(date: Date, months: number, anchor: Date = date): Date {
  const later = new Date(date)
  later.setUTCDate(1)
  later.setUTCMonth(later.getUTCMonth() + months)
  const lastDay = new Date(later)
  lastDay.setUTCMonth(later.getUTCMonth() + 1, 0)
  later.setUTCDate(Math.min(anchor.getUTCDate(), lastDay.getUTCDate()))
  return later
}
