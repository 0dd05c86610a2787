/**
 * The target of a command: the host's instance, its database and its account at Stripe. A command prints its target
 * before it does anything, without passwords and keys.
 *
 * @module
 */

import { requireEnv, TollgateError } from '@repo/core'
import { openHost } from '@repo/core/cli'
import { type DatabaseTarget, databaseEnv, databaseTargetOf, databaseUrlOf } from '@repo/db'
import { type Billing, billing as defaultBilling } from '../billing.ts'
import type { BillingContext } from '../context.ts'
import { appEnv } from '../create-context.ts'
import { contextOf } from '../instance.ts'
import { paymentEnv, stripeEnv } from '../providers/env.ts'
import type { Command, Flags } from './command.ts'

/** What a command acts on. */
export interface Target {
  /** Null: the command needs no database. `host` is null where the database client does not know it. */
  database: (Omit<DatabaseTarget, 'host'> & { host: string | null }) | null
  /** Null: the command does not use Stripe. */
  stripe: {
    /** Null: the key may not read the account, or Stripe did not answer. */
    account: string | null
    /** Null: the host's Stripe client does not know it. */
    mode: 'live' | 'test' | null
    /** The host of the API. Another host than Stripe's is a stand-in. */
    host: string
  } | null
  /** The path of the configuration. Null: the package's default instance. */
  config: string | null
}

/** The instance that a command uses, with its context and target. */
export interface Acting {
  billing: Billing
  ctx: BillingContext
  target: Target
}

/**
 * Finds the host's instance, checks the variables that the command needs, and looks up the target.
 *
 * @throws `invalid_config`, `config_not_found`, `invalid_environment`
 */
export async function openTarget(command: Command, { config: path }: Flags): Promise<Acting> {
  const host = await openHost(path === undefined ? {} : { path })
  const billing = host.config === null ? defaultBilling : host.config.billing
  const ctx = billing === undefined ? null : contextOf(billing)
  if (ctx === null) {
    const what =
      billing === undefined ? 'has no billing' : 'has a billing that createBilling did not make'
    throw new TollgateError(
      'invalid_config',
      500,
      `${host.file} ${what}. Write export default defineConfig({ billing }), ` +
        'where billing is an instance of createBilling of @repo/billing.',
    )
  }
  requireEnv(command.needs.filter((schema) => !isGiven(ctx, schema)))
  const target = {
    database: command.needs.includes(databaseEnv) ? await databaseOf(ctx) : null,
    stripe: asksStripe(ctx, command) ? await stripeOf(ctx) : null,
    config: host.file,
  }
  return { billing: billing as Billing, ctx, target }
}

/** Whether the host passed to its instance what these variables would set. */
function isGiven({ given }: BillingContext, schema: unknown): boolean {
  if (schema === databaseEnv) return given.db
  if (schema === appEnv) return given.appUrl
  if (schema === stripeEnv) return given.stripe
  return schema === paymentEnv && (given.provider || given.stripe)
}

async function databaseOf({ db }: BillingContext): Promise<Target['database']> {
  const url = databaseUrlOf(db)
  if (url !== null) return databaseTargetOf(url)
  const [{ name }] = await db.$queryRaw<[{ name: string }]>`SELECT current_database() AS name`
  return { host: null, name }
}

function asksStripe(ctx: BillingContext, { needs }: Command): boolean {
  if (needs.includes(stripeEnv)) return true
  return needs.includes(paymentEnv) && ctx.provider.name === 'stripe'
}

const ASK_MS = 5_000

async function stripeOf(ctx: BillingContext): Promise<Target['stripe']> {
  const { stripe, livemode } = ctx
  const account = await stripe.accounts
    .retrieveCurrent({}, { maxNetworkRetries: 0, timeout: ASK_MS })
    .then(({ object, id }) => (object === 'account' ? id : null))
    .catch(() => null)
  const mode = livemode === null ? null : livemode ? 'live' : 'test'
  return { account, mode, host: stripe.getApiField('host') }
}

/** The target in one line. */
export function inWords({ database, stripe, config }: Target): string {
  const parts = [
    database && `database ${database.host ?? '(host not known)'}/${database.name}`,
    stripe &&
      `Stripe ${stripe.account ?? 'account not known'} (${stripe.mode ?? 'mode not known'}` +
        `${stripe.host === 'api.stripe.com' ? '' : `, at ${stripe.host}`})`,
    config ?? 'the default instance of @repo/billing',
  ]
  return `On ${parts.filter((part) => part !== null).join(' · ')}`
}
