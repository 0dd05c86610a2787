/**
 * Decides whether the default instance may act for a host without a `tollgate.config.ts`. It may only where it knows
 * all plans, prices, products and handlers that the database names.
 *
 * @module
 */

import { databaseEnv } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { inWords, lackingIn } from '../effects/declarations.ts'
import { BillingError } from '../errors.ts'
import { type Command, say } from './command.ts'

const CREATE =
  'Create tollgate.config.ts in the folder of your app and run the command there, or name the file with ' +
  "--config: import { defineConfig } from '@repo/core/config'; export default defineConfig({ billing }), " +
  'where billing is the instance of your createBilling, or the default one of @repo/billing.'

/** Checks that the default instance may act. @throws `other_instance` where the host needs an instance of its own */
export async function requireFit(ctx: BillingContext, command: Command): Promise<void> {
  if (!command.acts) return
  if (command.ownPlans) {
    const what =
      'This command writes your plans to Stripe, and no tollgate.config.ts names your plans'
    throw new BillingError('other_instance', `${what}. ${CREATE}`)
  }
  const unknown = [...new Set([...(await unknownRows(ctx)), ...(await lackingIn(ctx))])]
  if (unknown.length === 0) return
  const what = `The default instance of billing lacks ${inWords(unknown)}, which the database names`
  throw new BillingError('other_instance', `${what}. Nothing was done. ${CREATE}`)
}

/** Prints what the configured instance lacks and another instance of this database has. The database may be wrong. */
export async function noteLacking(ctx: BillingContext, command: Command, config: string) {
  if (!command.acts || !command.needs.includes(databaseEnv)) return
  const lacking = await lackingIn(ctx)
  if (lacking.length === 0) return
  say(
    `Another instance of this database has ${inWords(lacking)}, but ${config} does not. ` +
      'Work that needs it is left to that instance.',
  )
}

/** The plans and lookup keys of stored products and prices that this instance does not have. */
async function unknownRows({ db, plans }: BillingContext): Promise<string[]> {
  const keys = Object.values(plans).flatMap(({ prices }) =>
    Object.values(prices ?? {}).map(({ lookupKey }) => lookupKey),
  )
  const rows = await db.$queryRaw<{ unknown: string }[]>`
    SELECT DISTINCT 'plan:' || "plan" AS "unknown" FROM "Product"
    WHERE "plan" <> ALL(${Object.keys(plans)})
    UNION SELECT DISTINCT 'price:' || "lookupKey" FROM "Price" WHERE "lookupKey" <> ALL(${keys})
    ORDER BY 1 LIMIT 100`
  return rows.map(({ unknown }) => unknown)
}
