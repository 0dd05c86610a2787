/**
 * The command that links the customers of an existing Stripe account to their owners.
 *
 * @module
 */

import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { createProgress } from '@repo/core/cli'
import { databaseEnv } from '@repo/db'
import { appEnv } from '../create-context.ts'
import { stripeEnv } from '../providers/env.ts'
import type { ImportCustomersResult } from '../sync/import-customers.ts'
import { type Command, say, UsageError } from './command.ts'

/** How many customers of a kind are named. `--json` has all of them. */
const NAMED = 20

/** The command about existing customers. */
export const importCommands: Record<string, Command> = {
  import: {
    flags: {
      map: '<file>',
      'metadata-key': '<key>',
      'match-email': '',
      'dry-run': '',
    },
    does: 'link existing customers at Stripe to owners, without effects for the past; --dry-run says whom',
    needs: [databaseEnv, stripeEnv, appEnv],
    acts: true,
    async run(_, flags, billing) {
      const { map, 'metadata-key': key, 'match-email': byEmail, 'dry-run': dryRun } = flags
      const listed = createProgress('customers read at Stripe')
      const linked = createProgress('customers linked')
      const result = await billing.importCustomers({
        ...(map === undefined ? {} : { owners: await readMap(map) }),
        ...(key === undefined ? {} : { metadataKeys: key.split(',') }),
        ...(byEmail ? { byEmail } : {}),
        ...(dryRun ? { dryRun } : {}),
        onProgress: (done, total) =>
          total === undefined ? listed.show(done) : linked.show(done, total),
      })
      listed.end()
      linked.end()
      tell(result, dryRun ?? false)
      const { conflicts, failed, outcome } = result
      if (conflicts.length > 0 || failed.length > 0 || outcome !== 'done') process.exitCode = 1
      return result
    },
  },
}

function tell(result: ImportCustomersResult, dryRun: boolean): void {
  const { customers, linked, present, unmatched, conflicts, failed, unknownPrices } = result
  if (result.outcome === 'busy') {
    say('Another import is running, so nothing was done.')
    return
  }
  for (const { customer, ownerId, ownerType, by } of dryRun ? linked.slice(0, NAMED) : []) {
    say(`${customer} → ${ownerType} ${ownerId} (${by})`)
  }
  if (dryRun && linked.length > NAMED) say(`… and ${linked.length - NAMED} more; --json lists all.`)
  for (const { customer, ownerId, reason } of conflicts.slice(0, NAMED)) {
    say(`${customer}: ${reason}${ownerId === null ? '' : `, owner ${ownerId}`}`)
  }
  if (conflicts.length > NAMED) say(`… and ${conflicts.length - NAMED} more; --json lists all.`)
  for (const { customer, reason } of failed.slice(0, NAMED))
    say(`${customer}: not linked (${reason})`)
  for (const { price, lookupKey, subscriptions } of unknownPrices) {
    const key = lookupKey === null ? 'has no lookup key' : `has the lookup key ${lookupKey}`
    say(
      `${subscriptions} running subscriptions have the price ${price}, which ${key} and is no plan's price. ` +
        'They grant nothing until a plan names it.',
    )
  }
  say(
    `${customers} customers at Stripe: ${linked.length} ${dryRun ? 'would be' : 'were'} linked, ${present} are linked ` +
      `already, ${unmatched.length} have no known owner, ${conflicts.length} need a decision, ${failed.length} failed.`,
  )
  if (result.outcome === 'stopped') say('The import was stopped. Run it again, and it continues.')
}

/** The owners by customer from lines `cus_…,owner`, or `{"customer":"cus_…","owner":"…"}`. */
async function readMap(file: string): Promise<Map<string, string>> {
  const owners = new Map<string, string>()
  let number = 0
  try {
    for await (const line of createInterface({ input: createReadStream(file, 'utf8') })) {
      number += 1
      const text = line.replace(/^\ufeff/, '').trim()
      if (text === '' || (number === 1 && /^customer\s*,/i.test(text))) continue
      const [customer, ownerId] = pairOf(text)
      if (!/^cus_\w+$/.test(customer) || ownerId === '' || owners.has(customer)) {
        const what = owners.has(customer) ? 'names a customer again' : 'is not cus_…,<owner>'
        throw new UsageError(`Line ${number} of ${file} ${what}.`)
      }
      owners.set(customer, ownerId)
    }
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(
      `The file ${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`,
    )
  }
  return owners
}

function pairOf(text: string): [customer: string, ownerId: string] {
  if (!text.startsWith('{')) {
    const [customer = '', ownerId = '', ...more] = text.split(',').map((each) => each.trim())
    return more.length > 0 ? ['', ''] : [customer, ownerId]
  }
  try {
    const { customer, owner } = JSON.parse(text) as Record<string, unknown>
    return typeof customer === 'string' && typeof owner === 'string' ? [customer, owner] : ['', '']
  } catch {
    return ['', '']
  }
}
