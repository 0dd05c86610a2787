/**
 * The checks of billing for `tollgate doctor`: variables, signatures, prices, the webhook endpoint, and what production
 * needs. Nothing is written to a database of production, and nothing at the provider.
 *
 * @module
 */

import { isTollgateError, type Logger } from '@repo/core'
import {
  type Check,
  type CheckResult,
  type CheckRun,
  failed,
  type InstanceChecks,
  onlyLive,
  passed,
  skipped,
} from '@repo/core/checks'
import {
  databaseTargetOf,
  databaseUrlOf,
  openRehearsal,
  type Rehearsal,
  rehearsalRefusal,
} from '@repo/db'
import { databaseChecks } from '@repo/db/checks'
import { emailChecks } from '@repo/email/checks'
import { queueChecks } from '@repo/jobs/checks'
import { handleCalComWebhook } from '../bookings/webhook.ts' // #calcom
import type { BillingContext } from '../context.ts'
import { CALLBACKS, ORDERS } from '../orders/limits.ts'
import { diagnoseWebhooks } from '../webhooks/diagnose.ts'
import { createEventStore } from '../webhooks/store.ts'
import { handleStripeWebhook } from '../webhooks/stripe.ts'
import { stripeChecks } from './at-stripe.ts'
import { calcomSignatureCheck, hasCalcom } from './calcom-signature.ts' // #calcom
import { type SignedHandler, stripeSignatureCheck } from './signatures.ts'

/** The checks of an instance, with those of its database, its queue and its mails. */
export async function billingChecks(run: CheckRun, ctx: BillingContext): Promise<InstanceChecks> {
  const url = databaseUrlOf(ctx.db)
  const refusal =
    readable(() => ctx.livemode) === true
      ? 'money is real here'
      : await rehearsalRefusal(ctx.db, url, run).catch(
          () => 'the database cannot be asked, see database.role',
        )
  let opened: Rehearsal | undefined
  const rehearsed = (): BillingContext => {
    opened ??= openRehearsal(url ?? '', { isReadOnly: refusal !== null })
    return without(ctx, opened)
  }
  const signed =
    (secret: () => string | undefined, handle: typeof handleStripeWebhook, absent: string) =>
    async (): Promise<SignedHandler | { why: string }> => {
      const found = secret()
      if (found === undefined) return { why: absent }
      if (url === null)
        return { why: 'The client was not made by createDb, so its database is not known.' }
      const quiet = rehearsed()
      return { secret: found, canStore: refusal === null, handle: (req) => handle(quiet, req) }
    }
  const address = url === null ? null : databaseTargetOf(url)
  const where = address ? `database ${address.host}/${address.name}` : 'a database of the host'
  return {
    actsOn: [
      refusal === null ? `${where}, in a transaction that is rolled back` : `${where}, read only`,
      ...(readable(() => ctx.provider.name) === 'stripe' ? [stripeInWords(ctx)] : []),
    ],
    checks: [
      { id: 'billing.variables', run: () => variables(ctx) },
      ...[
        stripeSignatureCheck(
          signed(
            () => (ctx.provider.name === 'stripe' ? ctx.stripeWebhookSecrets[0] : undefined),
            handleStripeWebhook,
            'Payments are not taken by Stripe, or it has no webhook secret.',
          ),
        ),
        // #region calcom
        calcomSignatureCheck(
          signed(
            () => (hasCalcom(ctx) ? ctx.calcom.webhookSecret : undefined),
            handleCalComWebhook,
            'Cal.com is not set up.',
          ),
        ),
        // #endregion
        ...stripeChecks(run, ctx),
        ...deliveryChecks(run, ctx),
        ...deploymentChecks(run, ctx),
      ].map(needsVariables),
      ...databaseChecks(ctx.db),
      ...queueChecks(ctx.db),
      ...emailChecks(run, ctx.sender),
    ],
    close: async () => opened?.close(),
  }
}

/** `billing.variables` names the variables that are missing, so the other checks do not repeat them. */
const needsVariables = ({ id, run }: Check): Check => ({
  id,
  async run() {
    try {
      return await run()
    } catch (error) {
      if (!isTollgateError(error, 'invalid_environment')) throw error
      return skipped('Variables are missing or wrong; billing.variables names them.')
    }
  },
})

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/** The context over a database of which nothing remains: it alerts nobody and wakes no worker. */
const without = (ctx: BillingContext, { db }: Rehearsal): BillingContext =>
  Object.create(
    ctx,
    Object.getOwnPropertyDescriptors({
      db,
      logger: SILENT,
      storeRow: createEventStore(db),
      signalWorker() {},
      alert() {},
    }),
  ) as BillingContext

/** The value, or undefined where its variables are missing: `billing.variables` names them. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (isTollgateError(error)) return undefined
    throw error
  }
}

const stripeInWords = (ctx: BillingContext): string => {
  const livemode = readable(() => ctx.livemode)
  const mode = livemode == null ? 'mode not known' : livemode ? 'live mode' : 'test mode'
  const host = readable(() => ctx.stripe.getApiField('host'))
  return `Stripe in ${mode}${host === undefined || host === 'api.stripe.com' ? '' : `, at ${host}`}`
}

/** Reads each part of the settings, as the first request would. */
function variables(ctx: BillingContext): CheckResult {
  const parts: (() => unknown)[] = [
    () => ctx.appUrl,
    () => ctx.provider.name,
    () => ctx.livemode,
    () => ctx.trialSecrets,
    ...(readable(() => ctx.provider.name) === 'stripe'
      ? [() => ctx.stripe.getApiField('host'), () => ctx.stripeWebhookSecrets]
      : []),
    ...(hasCalcom(ctx) ? [() => ctx.calcom] : []), // #calcom
  ]
  const lines = new Set(
    parts.flatMap((read) => {
      try {
        read()
        return []
      } catch (error) {
        if (!isTollgateError(error)) throw error
        return error.message
          .split('\n')
          .slice(1)
          .map((line) => line.trim())
      }
    }),
  )
  if (lines.size > 0)
    return failed(
      `Variables are missing or wrong: ${[...lines].join('; ')}.`,
      'Set them in .env.local; .env.example says how to get each.',
    )
  return passed(`The variables of ${ctx.provider.name} and of the host are complete.`)
}

/** Checks of the endpoint on the host itself, and of what it has received. */
function deliveryChecks(run: CheckRun, ctx: BillingContext): Check[] {
  let diagnosis: ReturnType<typeof diagnoseWebhooks> | undefined
  const diagnosed = () => {
    diagnosis ??= diagnoseWebhooks(
      ctx,
      ctx.provider.name === 'stripe' ? new URL('/api/webhooks/stripe', ctx.appUrl).href : undefined,
    )
    return diagnosis
  }
  const of = async (name: string) => {
    const { checks, url } = await diagnosed()
    return { url, found: checks.find(({ check }) => check === name) }
  }
  return [
    {
      id: 'billing.reachable',
      async run() {
        const { url, found } = await of('answer')
        const limit = (await of('rate_limit')).found
        if (found?.isOk && limit?.isOk) return passed(`${url} asks for a signature. ${limit.says}`)
        const says = `${url}: ${(found?.isOk ? limit?.says : found?.says) ?? 'The address is not valid.'}`
        const isAway = /cannot be reached/.test(says) && ctx.appUrl.protocol === 'http:'
        const advice =
          'Start the app, and mount handleStripeWebhook at this address, without a sign-in and limits before it.'
        return isAway ? onlyLive(run, says, advice) : failed(says, advice)
      },
    },
    {
      id: 'billing.processed',
      async run() {
        const { found } = await of('processing')
        return found?.isOk
          ? passed(found.says)
          : failed(
              found?.says ?? 'Events cannot be counted.',
              'Start a worker, then look at billing events list.',
            )
      },
    },
    {
      id: 'billing.delivered',
      async run() {
        const { found } = await of('deliveries')
        if (!found) return skipped('Deliveries cannot be counted.')
        if (found.isOk) return passed(found.says)
        const isNew = /No event has ever arrived/.test(found.says)
        const advice = 'Send a test event from the dashboard of Stripe, and run the check again.'
        return isNew
          ? skipped(found.says, advice)
          : failed(found.says, 'Run billing webhooks diagnose.')
      },
    },
  ]
}

/** Checks of what production needs. */
const deploymentChecks = (run: CheckRun, ctx: BillingContext): Check[] => [
  {
    id: 'billing.mode',
    run() {
      const { name } = ctx.provider
      const host = name === 'stripe' ? ctx.stripe.getApiField('host') : null
      if (host !== null && host !== 'api.stripe.com')
        return onlyLive(
          run,
          `Payments go to a stand-in at ${host}, which moves no money.`,
          'Remove STRIPE_API_BASE, and set the live key.',
        )
      if (ctx.livemode) return passed(`Payments at ${name} move real money.`)
      return onlyLive(
        run,
        `Payments at ${name} move no real money.`,
        'Set PAYMENT_ENV=production and the live key, and run billing plans push.',
      )
    },
  },
  {
    id: 'billing.secret',
    run() {
      if (ctx.provider.name !== 'stripe') return skipped('Payments are not taken by Stripe.')
      const short = ctx.stripeWebhookSecrets.filter((secret) => secret.length < 30)
      if (short.length === 0) return passed('The webhook secret is as long as Stripe makes them.')
      const isStandIn = ctx.stripe.getApiField('host') !== 'api.stripe.com'
      const says = 'A webhook secret is shorter than Stripe makes them, so it can be guessed.'
      const advice = 'Set the signing secret that Stripe shows for the endpoint (whsec_…).'
      return isStandIn ? onlyLive(run, says, advice) : failed(says, advice)
    },
  },
  {
    id: 'billing.limits',
    run() {
      if (ctx.orders.addressOf || process.env.CLIENT_IP_HEADER || process.env.TRUSTED_PROXIES)
        return passed(
          `${ORDERS.limit} new orders a minute for each owner and ${CALLBACKS.limit} returns a minute for each address are accepted.`,
        )
      return onlyLive(
        run,
        'The address of callers is not known for sure, so the limit of returns can be passed.',
        'Set CLIENT_IP_HEADER or TRUSTED_PROXIES (.env.example says which for your platform).',
      )
    },
  },
  {
    id: 'billing.monitoring',
    run() {
      if (ctx.given.onAlert) return passed('Alerts reach onAlert of the host.')
      return onlyLive(
        run,
        'Alerts are only written to the log.',
        'Give createBilling an onAlert that tells a person, by mail or by your pager.',
      )
    },
  },
]
