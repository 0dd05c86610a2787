/**
 * The quote of a plan change: the amount that is charged when the change is made, and the next invoice. Quote and
 * charge count from the same moment, so both are the same amount.
 *
 * @module
 */

import * as z from 'zod'
import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'
import { anchorNow, ask } from '../providers/stripe/client.ts'
import { dateOf, periodOf } from '../providers/stripe/shapes.ts'
import type { Target } from './plan-target.ts'

/** The cost of a change before it is made. Amounts are in minor units of `currency`. */
export interface PlanChangeQuote {
  /** `now`: the change applies and is charged at once. `period_end`: it applies when the period ends. */
  at: 'now' | 'period_end'
  /** Lower case. */
  currency: string
  /** The amount that is charged when the change is made; 0 where the change applies later. */
  amountDue: number
  /** The credit for the unused rest of the period, as a positive number. */
  credit: number
  /** The next invoice after the change. Where the interval changes, its period starts with the change. */
  nextInvoice: NextInvoice
  /** The moment that both the quote and the charge count from. Null where nothing is prorated. */
  prorationDate: Date | null
}

/** The first invoice after a change. */
export interface NextInvoice {
  /** Minor units. */
  amount: number
  /** When it is charged. */
  at: Date
}

/** How long a quote is valid. */
const QUOTE_LIFE_MS = 60 * 60 * 1000
/** How far a quote's moment may be ahead of our clock. A later one would shorten the rest of the period. */
const CLOCK_SKEW_MS = 60_000

/** The fields of a quote that are checked, as they were made or as they come back from a form. */
const quoteShape = z.object({
  at: z.enum(['now', 'period_end']),
  amountDue: z.number().int().min(0),
  prorationDate: z.coerce.date().nullable(),
  nextInvoice: z.object({ at: z.coerce.date() }).optional(),
})

/** The cost of the change if prorations count from `moment`, in epoch seconds. */
export async function quoteOf(
  ctx: BillingContext,
  target: Target,
  moment: number,
): Promise<PlanChangeQuote> {
  const { subscription, item, price, quantity, at, isSame, onTrial } = target
  const amount = await nextAmount(ctx, target)
  const { currency } = price
  const period = periodOf(subscription)
  const periodEnd = (onTrial ? dateOf(subscription.trial_end) : period?.end) ?? ctx.clock.now()
  const nextInvoice = { amount, at: periodEnd }
  const free = { amountDue: 0, credit: 0, nextInvoice, prorationDate: null }
  const isCharged = subscription.status === 'active'
  if (at === 'period_end' || onTrial || isSame || !isCharged) return { at, currency, ...free }

  const isNewPeriod = price.recurring?.interval !== item.price.recurring?.interval
  const preview = await ask(
    'invoice',
    ctx.stripe.invoices.createPreview({
      customer: target.subscription.customer as string,
      subscription: subscription.id,
      subscription_details: {
        items: [
          { id: item.id, ...(price.id === item.price.id ? {} : { price: price.id }), quantity },
        ],
        ...(isNewPeriod ? (anchorNow(ctx.stripe) as object) : {}),
        proration_behavior: 'always_invoice',
        proration_date: moment,
      },
    }),
  )
  const lines = preview.lines.data
  const credit = -lines.reduce((sum, line) => sum + Math.min(0, line.amount), 0)
  // The rest of the credit is deducted from the next invoice.
  const left = Math.max(0, -preview.total)
  const ends = lines.flatMap((line) => (line.amount > 0 ? [line.period.end] : []))
  return {
    at,
    currency,
    amountDue: preview.amount_due,
    credit,
    nextInvoice: {
      amount: Math.max(0, amount - left),
      at: isNewPeriod && ends.length > 0 ? new Date(Math.max(...ends) * 1000) : periodEnd,
    },
    prorationDate: new Date(moment * 1000),
  }
}

/** The amount of the next invoice: the plan of the next period and the add-ons. */
async function nextAmount(
  ctx: BillingContext,
  { subscription, item, price, quantity, isSeats, scheduled }: Target,
): Promise<number> {
  const isOther = isSeats && scheduled !== null && scheduled.stripePriceId !== item.price.id
  const next = isOther
    ? await ask('price', ctx.stripe.prices.retrieve(scheduled.stripePriceId))
    : price
  const addOns = subscription.items.data.filter(({ id }) => id !== item.id)
  return addOns.reduce(
    (sum, each) => sum + (each.price.unit_amount ?? 0) * (each.quantity ?? 1),
    (next.unit_amount ?? 0) * quantity,
  )
}

/**
 * Checks that a quote is still valid, and returns its moment in epoch seconds.
 *
 * @throws `invalid_quote`, `quote_expired`, `quote_changed`.
 */
export async function requireQuote(
  ctx: BillingContext,
  target: Target,
  given: PlanChangeQuote | string,
): Promise<number> {
  const quote = readQuote(given)
  const now = ctx.clock.now().getTime()
  const moment = quote.prorationDate?.getTime() ?? now
  if (moment < now - QUOTE_LIFE_MS || moment > now + CLOCK_SKEW_MS) {
    throw new BillingError(
      'quote_expired',
      'The quote is more than an hour old. Ask for a new one.',
    )
  }
  const seconds = Math.floor(moment / 1000)
  const start = periodOf(target.subscription)?.start.getTime() ?? 0
  const next = quote.nextInvoice?.at.getTime() ?? Number.POSITIVE_INFINITY
  if (seconds * 1000 < start || next <= start) {
    throw new BillingError(
      'quote_expired',
      'The subscription was renewed after the quote was made. Ask for a new one.',
    )
  }
  const again = await quoteOf(ctx, target, seconds)
  if (again.at !== quote.at || again.amountDue !== quote.amountDue) {
    const now = `${again.amountDue} ${again.currency}`
    const message = `The change now costs ${now}, not ${quote.amountDue}. Ask for a new quote.`
    const { at, amountDue, currency } = again
    const data = { amountQuoted: quote.amountDue, amountDue, currency, at }
    throw new BillingError('quote_changed', message, { data })
  }
  return seconds
}

function readQuote(given: PlanChangeQuote | string): z.output<typeof quoteShape> {
  try {
    return quoteShape.parse(typeof given === 'string' ? JSON.parse(given) : given)
  } catch (cause) {
    const message = 'The quote could not be read. Ask for a new one with previewPlanChange.'
    throw new BillingError('invalid_quote', message, { cause })
  }
}
