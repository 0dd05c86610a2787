/**
 * Currencies as Stripe has them: how many decimals an amount in minor units has, which amounts it takes, and how
 * an amount is written for people. Stripe's minor units are not those of ICU (`Intl`): a forint, a rupiah and a
 * Lebanese pound have two decimals at Stripe and none in ICU, so an amount read by ICU's would be a hundred times
 * too large. Amounts at Creem are in the same units.
 *
 * @see {@link https://docs.stripe.com/currencies | Stripe: supported currencies}, sections "Zero-decimal
 * currencies", "Three-decimal currencies", "Special cases" and "Maximum charge amounts", read in November 2026
 * @module
 */

/** All that Stripe does not name have two decimals. */
const ZERO_DECIMAL: ReadonlySet<string> = new Set(
  'bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf'.split(' '),
)
const THREE_DECIMAL: ReadonlySet<string> = new Set('bhd jod kwd omr tnd'.split(' '))

/** Written with two decimals, which must be 00: both had decimals once. */
const WHOLE_UNITS: ReadonlySet<string> = new Set(['isk', 'ugx'])

/**
 * Digits of the largest amount, where it is not eight. Rupiah, pesos of Colombia and Indian rupees have theirs for
 * every payment method; the other three for cards, without which little could be sold in them.
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

/** Decimals of an amount in minor units: 2 for usd, 0 for jpy, 3 for kwd. `currency` in either case. */
export function minorDigits(currency: string): 0 | 2 | 3 {
  const code = currency.toLowerCase()
  if (ZERO_DECIMAL.has(code)) return 0
  return THREE_DECIMAL.has(code) ? 3 : 2
}

/**
 * What every amount of `currency` is a multiple of: 10 with three decimals, because card networks have two; 100 for
 * isk and ugx, which have no decimals any more; else 1.
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
 * Why `amount` cannot be charged in `currency`, as the end of a sentence; null where it can. The least amount
 * depends on the account's bank and is the provider's to say.
 */
export function amountProblem(amount: unknown, currency: string): string | null {
  const most = maxAmount(currency)
  if (!Number.isSafeInteger(amount) || (amount as number) < 1 || (amount as number) > most) {
    return `must be a whole number of minor units from 1 to ${most}`
  }
  const step = amountStep(currency)
  return (amount as number) % step === 0 ? null : `must be a multiple of ${step} in ${currency}`
}

/** `amount` in minor units as the number people say: 2900 usd is 29. */
export const majorUnits = (amount: number, currency: string): number =>
  amount / 10 ** minorDigits(currency)

/** `amount` in minor units as people read it: 2900 usd is $29.00, 2900 jpy is ¥2,900, 290000 huf is HUF 2,900. */
export function formatMoney(amount: number, currency: string, locale = 'en'): string {
  const style = { style: 'currency', currency: currency.toUpperCase() } as const
  const digits = minorDigits(currency)
  const usual = new Intl.NumberFormat(locale, style).resolvedOptions().maximumFractionDigits ?? 2
  const isWhole = amount % 10 ** digits === 0
  return new Intl.NumberFormat(locale, {
    ...style,
    // A part of a forint is shown although ICU knows none.
    minimumFractionDigits: isWhole ? Math.min(usual, digits) : digits,
    maximumFractionDigits: digits,
  }).format(majorUnits(amount, currency))
}
