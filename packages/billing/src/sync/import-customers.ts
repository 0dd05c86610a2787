/**
 * Links all customers that exist at Stripe to their owners. Promise: only state is written. Rows of subscriptions,
 * invoices, payments and orders are as at Stripe; no handler runs and no mail is sent for the past; a plan's credits
 * are granted for the current month alone, once. A second import changes nothing, and an import that was stopped
 * continues.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { requireAccount } from '../customers/account.ts'
import { BillingError } from '../errors.ts'
import { ask } from '../providers/stripe/client.ts'
import {
  type Conflict,
  type ImportMatching,
  type ImportPlan,
  type Match,
  type MatchedBy,
  planImport,
  type UnknownPrice,
} from './import-plan.ts'
import { claimCustomer, keepAddress } from './link.ts'
import { type Run, type RunOptions, withRun } from './repair-run.ts'
import { syncLinked } from './sync.ts'

/** How customers are imported. */
export interface ImportCustomersOptions extends ImportMatching, RunOptions {
  /** Says who would be linked, and writes nothing, here or at Stripe. Default false. */
  dryRun?: boolean
  /** Called while customers are listed, without `total`, and then after each link. */
  onProgress?: (done: number, total?: number) => void
}

/** A customer that was linked, or would be in a dry run. */
export interface ImportedCustomer {
  /** The id at Stripe. */
  customer: string
  ownerId: string
  ownerType: 'user' | 'organization'
  /** By what the owner was found. */
  by: MatchedBy
}

/** The result of `importCustomers`. */
export interface ImportCustomersResult {
  /** How many customers Stripe has. */
  customers: number
  linked: ImportedCustomer[]
  /** How many customers were linked and synced before. */
  present: number
  /** Stripe's ids of customers for whom no owner is known. */
  unmatched: string[]
  /** Customers that a person has to decide about. */
  conflicts: Conflict[]
  /** Prices of running subscriptions that are no plan's price. The subscriptions are stored and grant nothing. */
  unknownPrices: UnknownPrice[]
  /** Customers that could not be linked now, with the error's code. The next import tries them again. */
  failed: { customer: string; ownerId: string; reason: string }[]
  /** `done`; `stopped`: run it again, it continues; `busy`: another import runs, and this one did nothing. */
  outcome: 'done' | 'stopped' | 'busy'
}

/** So many failures in a row mean that Stripe or the key is at fault, and not the customers. */
const MOST_FAILURES = 20

/** How often the lease is extended. */
const KEEP_MS = 10_000

interface Position {
  [key: string]: number
}

/** Links customers at Stripe to their owners. The contract is in `functions/customers.ts`. */
export async function importCustomers(
  ctx: BillingContext,
  options: ImportCustomersOptions = {},
): Promise<ImportCustomersResult> {
  await requireAccount(ctx)
  const result: ImportCustomersResult = {
    ...{ customers: 0, linked: [], present: 0, unmatched: [], conflicts: [] },
    ...{ unknownPrices: [], failed: [], outcome: 'done' },
  }
  result.outcome = await withRun<Position>(ctx, 'import', options, async (run) => {
    const isOver = keeping(run)
    const onRead = (customers: number) => options.onProgress?.(customers)
    const plan = await planImport(ctx, options, { isOver, onRead })
    if (plan === null) return false
    const { matches, ...found } = plan
    Object.assign(result, found)
    if (!options.dryRun) return linkAll(ctx, plan, options, result, isOver)
    result.linked = matches.map(linkOf)
    return true
  })
  const { linked, conflicts, failed } = result
  const counts = { linked: linked.length, conflicts: conflicts.length, failed: failed.length }
  ctx.logger.info(
    { ...counts, dryRun: options.dryRun ?? false, outcome: result.outcome },
    'imported customers',
  )
  return result
}

/** Whether the run has to stop. Extends its lease now and then. */
function keeping(run: Run<Position>): () => Promise<boolean> {
  let last = Date.now()
  return async () => {
    if (run.isOver()) return true
    if (Date.now() - last < KEEP_MS) return false
    last = Date.now()
    return !(await run.save({ at: last }))
  }
}

const linkOf = ({ customer, ownerId, owner, by }: Match): ImportedCustomer => ({
  ...{ customer: customer.id, ownerId, ownerType: owner.type, by },
})

async function linkAll(
  ctx: BillingContext,
  { matches }: ImportPlan,
  { onProgress }: ImportCustomersOptions,
  result: ImportCustomersResult,
  isOver: () => Promise<boolean>,
): Promise<boolean> {
  let taken = 0
  let failures = 0
  const lane = async () => {
    while (taken < matches.length && failures < MOST_FAILURES) {
      if (await isOver()) return
      // Another lane may have taken the last one meanwhile.
      const match = matches[taken]
      if (match === undefined) return
      taken += 1
      const { customer, ownerId } = match
      try {
        await link(ctx, match)
        result.linked.push(linkOf(match))
        failures = 0
      } catch (error) {
        failures += 1
        const reason = error instanceof BillingError ? error.code : 'internal_error'
        result.failed.push({ customer: customer.id, ownerId, reason })
        ctx.logger.error(
          { ownerId, customer: customer.id, reason, error },
          'could not import the customer',
        )
      }
      onProgress?.(result.linked.length + result.failed.length, matches.length)
    }
  }
  await Promise.all(Array.from({ length: ctx.events.lanes }, lane))
  return result.linked.length + result.failed.length === matches.length
}

/** Links one customer. At Stripe only the metadata changes: name and address stay as the customer knows them. */
async function link(ctx: BillingContext, { customer, ownerId, owner }: Match): Promise<void> {
  const { id, email, isTold } = customer
  const linked = await claimCustomer(ctx, ownerId, owner, id)
  await keepAddress(ctx, linked, owner, email)
  if (!isTold) {
    const metadata = { ownerId, ownerType: owner.type, environment: ctx.appUrl.host }
    await ask('customer', ctx.stripe.customers.update(id, { metadata }))
  }
  await syncLinked(ctx, linked, { depth: 'full', silent: true })
}
