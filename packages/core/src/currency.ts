/**
 * Currencies as Stripe defines them: the decimals of an amount in minor units, the amounts Stripe accepts,
 * and the form of an amount for people. Stripe and ICU (`Intl`) disagree on minor units: a forint, a rupiah
 * and a Lebanese pound have two decimals at Stripe and none in ICU, so reading an amount by ICU's rule would
 * make it a hundred times too large. Creem uses the same units as Stripe.
 *
 * @see {@link https://docs.stripe.com/currencies | Stripe: supported currencies}, sections "Zero-decimal
 *   currencies", "Three-decimal currencies", "Special cases" and "Maximum charge amounts", read in November
 *   2026
 * @module
 */

/** Currencies in neither list have two decimals. */
const ZERO_DECIMAL: ReadonlySet<string> = new Set(
  'bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf'.split(' '),
)
const THREE_DECIMAL: ReadonlySet<string> = new Set('bhd jod kwd omr tnd'.split(' '))

/** Currencies without decimals that Stripe takes with two for compatibility; the two digits must be 00. */
const WHOLE_UNITS: ReadonlySet<string> = new Set(['isk', 'ugx'])

/**
 * The number of digits of the largest amount, for currencies where it is not eight. The limits of cop, idr
 * and inr hold for every payment method. The limits of huf, jpy and lbp hold for cards, without which little
 * can be sold in those currencies.
 */
const DIGITS: Readonly<Record<string, number>> = {
  cop: 10,
  huf: 12,
  idr: 12,
  inr: 9,
  jpy: 10,
  lbp: 12,
}

/** The largest amount of any currency: twelve digits. */
export const MAX_AMOUNT = 999_999_999_999

/**
 * The decimals of an amount in minor units: 2 for usd, 0 for jpy, 3 for kwd. `currency` may be in either
 * case.
 */
export function minorDigits(currency: string): 0 | 2 | 3 {
  const code = currency.toLowerCase()
  if (ZERO_DECIMAL.has(code)) return 0
  return THREE_DECIMAL.has(code) ? 3 : 2
}

/**
 * The step that every amount of `currency` must be a multiple of. It is 10 for three-decimal currencies,
 * because card networks support two decimals; 100 for isk and ugx, which no longer have decimals; and 1 for
 * the rest.
 */
export function amountStep(currency: string): 1 | 10 | 100 {
  const code = currency.toLowerCase()
  if (WHOLE_UNITS.has(code)) return 100
  return THREE_DECIMAL.has(code) ? 10 : 1
}

/** The largest amount of `currency` that can be charged, in minor units. */
export const maxAmount = (currency: string): number =>
  10 ** (DIGITS[currency.toLowerCase()] ?? 8) - 1

/**
 * The reason that `amount` cannot be charged in `currency`, as the end of a sentence; null if it can be. The
 * smallest amount depends on the account's bank, so it is left to the provider to check.
 */
export function amountProblem(amount: unknown, currency: string): string | null {
  const most = maxAmount(currency)
  if (!Number.isSafeInteger(amount) || (amount as number) < 1 || (amount as number) > most) {
    return `must be a whole number of minor units from 1 to ${most}`
  }
  const step = amountStep(currency)
  return (amount as number) % step === 0 ? null : `must be a multiple of ${step} in ${currency}`
}

/** `amount` in major units: 2900 usd becomes 29. */
export const majorUnits = (amount: number, currency: string): number =>
  amount / 10 ** minorDigits(currency)

/** Formats `amount` in minor units: 2900 usd is $29.00, 2900 jpy is ¥2,900, 290000 huf is HUF 2,900. */
export function formatMoney(amount: number, currency: string, locale = 'en'): string {
  const style = { style: 'currency', currency: currency.toUpperCase() } as const
  const digits = minorDigits(currency)
  const usual = new Intl.NumberFormat(locale, style).resolvedOptions().maximumFractionDigits ?? 2
  const isWhole = amount % 10 ** digits === 0
  return new Intl.NumberFormat(locale, {
    ...style,
    // Show a fraction of a forint even though ICU has no decimals for it.
    minimumFractionDigits: isWhole ? Math.min(usual, digits) : digits,
    maximumFractionDigits: digits,
  }).format(majorUnits(amount, currency))
}
