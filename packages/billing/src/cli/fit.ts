/**
 * Whether the package's default instance may act for a host that has no `tollgate.config.ts`: only where
 * the database holds nothing that it does not know.
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

/** @throws `other_instance` where the host has, or has to have, an instance of its own */
export async function requireFit(ctx: BillingContext, command: Command): Promise<void> {
  if (!command.acts) return
  if (command.ownPlans) {
    const what =
      'This makes products and prices of your plans, and no tollgate.config.ts says which'
    throw new BillingError('other_instance', `${what}. ${CREATE}`)
  }
  const unknown = [...new Set([...(await unknownRows(ctx)), ...(await lackingIn(ctx))])]
  if (unknown.length === 0) return
  const what = `The database holds what the default instance of billing does not know: ${inWords(unknown)}`
  throw new BillingError('other_instance', `${what}. Nothing was done. ${CREATE}`)
}

/** Says what another instance over this database has and the configured one lacks: it may be the wrong database. */
export async function noteLacking(ctx: BillingContext, command: Command, config: string) {
  if (!command.acts || !command.needs.includes(databaseEnv)) return
  const lacking = await lackingIn(ctx)
  if (lacking.length === 0) return
  say(
    `Another instance over this database has ${inWords(lacking)}, and ${config} has not. ` +
      'What needs it is left to that instance.',
  )
}

/** Plans and lookup keys of the mirrored catalogue that are none of this instance's. */
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
