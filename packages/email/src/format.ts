/** Formats money and dates for people. */

import { formatMoney } from '@repo/core'

/** Formats `amount` in Stripe's minor units of `currency`: 2900 usd is $29.00, 2900 jpy is ¥2,900. */
export const money = (amount: number, currency: string): string => formatMoney(amount, currency)

/** The day in UTC: `March 1, 2026`. */
export function day(date: Date): string {
  return new Intl.DateTimeFormat('en', { dateStyle: 'long', timeZone: 'UTC' }).format(date)
}

/** Day and minute in UTC: `March 1, 2026 at 14:05 UTC`. */
export function moment(date: Date): string {
  const time = new Intl.DateTimeFormat('en', {
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    timeZone: 'UTC',
  })
  return `${day(date)} at ${time.format(date)} UTC`
}
