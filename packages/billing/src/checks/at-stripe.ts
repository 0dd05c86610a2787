/**
 * Checks what is at Stripe: the account, the prices of the plans, the products, and the webhook endpoint with its events
 * and its API version. They only read.
 *
 * @module
 */

import { isTollgateError } from '@repo/core'
import {
  type Check,
  type CheckResult,
  type CheckRun,
  failed,
  onlyLive,
  passed,
  skipped,
} from '@repo/core/checks'
import type Stripe from 'stripe'
import { productIdOf } from '../catalog/products.ts'
import type { BillingContext } from '../context.ts'
import { ask, isMissing } from '../providers/stripe/client.ts'
import { endpointDifference, listWebhookEndpoints } from '../webhooks/endpoints.ts'

/** The checks, of a context whose payments Stripe takes. */
export function stripeChecks(run: CheckRun, ctx: BillingContext): Check[] {
  const check = (id: string, measure: () => Promise<CheckResult>): Check => ({
    id: `billing.${id}`,
    async run() {
      if (ctx.provider.name !== 'stripe')
        return skipped(`Payments are taken by ${ctx.provider.name} and not by Stripe.`)
      try {
        return await measure()
      } catch (error) {
        if (!isTollgateError(error, 'provider_unavailable')) throw error
        return onlyLive(
          run,
          'Stripe did not answer.',
          'Repeat the check when Stripe can be reached.',
        )
      }
    },
  })
  return [
    check('account', () => account(ctx)),
    check('prices', () => prices(ctx)),
    check('products', () => products(ctx)),
    check('endpoint', () => endpoint(run, ctx)),
    check('events', () => events(ctx)),
  ]
}

async function account(ctx: BillingContext): Promise<CheckResult> {
  const noted = await ctx.db.stripeAccount.findUnique({ where: { environment: ctx.appUrl.host } })
  const found = await ask('account', ctx.stripe.accounts.retrieveCurrent()).catch((error) => {
    // A restricted key may not read its account.
    if (isTollgateError(error, 'provider_rejected')) return null
    throw error
  })
  const mode =
    ctx.livemode === null ? 'a mode that is not known' : ctx.livemode ? 'live mode' : 'test mode'
  if (found === null)
    return skipped(
      'Stripe refused the key, or the key may not read its account.',
      'Let the restricted key read the account, or check STRIPE_SECRET_KEY.',
    )
  if (noted?.livemode != null && ctx.livemode !== null && noted.livemode !== ctx.livemode)
    return failed(
      `The key is for ${mode}, and the database holds customers of the other mode.`,
      'Set the STRIPE_SECRET_KEY of this database.',
    )
  if (noted?.stripeAccountId && noted.stripeAccountId !== found.id)
    return failed(
      `The key belongs to ${found.id}, and the customers of the database to ${noted.stripeAccountId}.`,
      'Set the STRIPE_SECRET_KEY of this database, or run billing account replace.',
    )
  return passed(`The key belongs to ${found.id}, in ${mode}.`)
}

async function prices({ stripe, plans }: BillingContext): Promise<CheckResult> {
  const wrong: string[] = []
  let count = 0
  for (const plan of Object.values(plans)) {
    for (const [interval, price] of Object.entries(plan.prices ?? {})) {
      count += 1
      const list = stripe.prices.list({ lookup_keys: [price.lookupKey], active: true, limit: 1 })
      const [found] = (await ask('list', list)).data
      const difference = found ? differenceOf(found, interval, price) : 'is missing'
      if (difference) wrong.push(`${price.lookupKey} ${difference}`)
    }
  }
  if (wrong.length > 0)
    return failed(
      `Prices at Stripe are not those of the plans: ${wrong.join(', ')}.`,
      'Run billing plans push.',
    )
  return passed(
    count === 1
      ? 'The one price of the plans is at Stripe, with its amount.'
      : `All ${count} prices of the plans are at Stripe, with their amounts.`,
  )
}

function differenceOf(
  { unit_amount, currency, recurring }: Stripe.Price,
  interval: string,
  price: { amount: number; currency: string },
): string | null {
  if (unit_amount !== price.amount || currency !== price.currency)
    return `costs ${unit_amount} ${currency} and not ${price.amount} ${price.currency}`
  return recurring?.interval === interval
    ? null
    : `renews each ${recurring?.interval ?? 'time'} and not each ${interval}`
}

async function products({ stripe, products, livemode }: BillingContext): Promise<CheckResult> {
  const environment = livemode ? 'production' : 'test'
  const named = Object.entries(products).flatMap(([sku, product]) => {
    const id = productIdOf({ ...product, sku }, 'stripe', environment)
    return id === null ? [] : [{ sku, id }]
  })
  if (named.length === 0)
    return skipped('No product has an id at Stripe; orders name their products by themselves.')
  const wrong: string[] = []
  for (const { sku, id } of named) {
    const found = await ask('product', stripe.products.retrieve(id)).catch((error) => {
      if (isMissing(error)) return null
      throw error
    })
    if (!found) wrong.push(`${sku} (${id}) is missing`)
    else if (!found.active) wrong.push(`${sku} (${id}) is archived`)
  }
  return wrong.length === 0
    ? passed(`All ${named.length} products with an id are at Stripe.`)
    : failed(
        `Products at Stripe cannot be sold: ${wrong.join(', ')}.`,
        'Correct the variables STRIPE_…_PRODUCT_ID, or bring the product back at Stripe.',
      )
}

/** The path of the examples, for the advice where Stripe has no endpoint of this host. */
const PATH = '/api/webhooks/stripe'

const isOurs = (url: string, { appUrl }: BillingContext): boolean => {
  try {
    return new URL(url).host === appUrl.host
  } catch {
    return false
  }
}

const oursAt = async (ctx: BillingContext) => {
  const all = (await listWebhookEndpoints(ctx)).filter(({ url }) => isOurs(url, ctx))
  return all.find(({ status }) => status === 'enabled') ?? all[0]
}

async function endpoint(run: CheckRun, ctx: BillingContext): Promise<CheckResult> {
  const found = await oursAt(ctx)
  const create = `Run billing webhooks create ${new URL(PATH, ctx.appUrl).href}, and set STRIPE_WEBHOOK_SECRET.`
  if (!found) {
    const says = `Stripe has no webhook endpoint at ${ctx.appUrl.host}.`
    // On this machine Stripe's CLI or the stand-in delivers, and Stripe lists no endpoint of theirs.
    return isLocal(ctx) ? onlyLive(run, says, create) : failed(says, create)
  }
  const wanted = ctx.stripe.getApiField('version')
  if (found.status !== 'enabled')
    return failed(
      `The webhook endpoint ${found.id} is ${found.status}.`,
      'Enable it in the dashboard of Stripe.',
    )
  // A stand-in sends in the version in which it was asked, unless its endpoint names one.
  const isStandIn = ctx.stripe.getApiField('host') !== 'api.stripe.com'
  if (isStandIn && found.apiVersion === null) return passed(`The stand-in sends to ${found.url}.`)
  if (found.apiVersion !== wanted)
    return failed(
      `The webhook endpoint ${found.id} sends API version ${found.apiVersion ?? "of the account's default"} and not ${wanted}.`,
      `Stripe cannot change it: delete the endpoint there. ${create}`,
    )
  return passed(`Stripe sends to ${found.url}, in API version ${wanted}.`)
}

async function events(ctx: BillingContext): Promise<CheckResult> {
  const found = await oursAt(ctx)
  if (!found) return skipped(`Stripe has no webhook endpoint at ${ctx.appUrl.host}.`)
  const missing = endpointDifference(found, ctx.stripe.getApiField('version'))?.missingEvents ?? []
  if (missing.length === 0)
    return passed(`The endpoint sends all events that billing listens to, credit notes included.`)
  return failed(
    `The endpoint does not send ${missing.join(', ')}.`,
    'Add these events to the endpoint in the dashboard of Stripe.',
  )
}

const isLocal = ({ appUrl }: BillingContext): boolean =>
  /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(appUrl.hostname)
