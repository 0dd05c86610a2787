/**
 * Calendar months.
 *
 * @module
 */

/** `date` plus `months`, on the same day of the month or on the last day of a shorter month; UTC. */
export function monthsAfter(date: Date, months: number): Date {
  const later = new Date(date)
  later.setUTCDate(1)
  later.setUTCMonth(later.getUTCMonth() + months)
  const days = new Date(Date.UTC(later.getUTCFullYear(), later.getUTCMonth() + 1, 0)).getUTCDate()
  later.setUTCDate(Math.min(date.getUTCDate(), days))
  return later
}
