/**
 * `pnpm billing plans push | sync <owner>… | events [retry]`: what a person runs against the
 * environment's Stripe account and database. `--json` puts one JSON document on standard output.
 *
 * @module
 */

import { parseArgs } from 'node:util'
import { maskText } from '@repo/core'
import { db } from '@repo/db'
import { billing } from './billing.ts'

const USAGE = `pnpm billing plans push [--json]      make the plans' products and prices at Stripe
pnpm billing sync <owner>… [--json]   write what Stripe says of these owners now
pnpm billing events [--json]          list events that are pending or need attention
pnpm billing events retry [--json]    process what is pending`

const say = (line: string) => process.stderr.write(`${line}\n`)

async function pushPlans(): Promise<object> {
  const made = await billing.pushPlans()
  say(made.length === 0 ? 'Every price is in place.' : `made ${made.join(', ')}`)
  return { made }
}

async function sync(owners: string[]): Promise<object> {
  const results: object[] = []
  for (const [index, ownerId] of owners.entries()) {
    const { written, problems } = await billing.syncCustomer(ownerId)
    const { plan, status } = await billing.getSubscription(ownerId)
    say(`${index + 1}/${owners.length} ${ownerId}: ${plan}${status ? `, ${status}` : ''}`)
    results.push({ ownerId, plan, status, written, problems })
  }
  return { synced: results }
}

async function listEvents(): Promise<object> {
  const events = await billing.listWaitingEvents()
  for (const { receivedAt, provider, type, eventId, status, reason, attempts } of events) {
    say([receivedAt.toISOString(), provider, type, eventId, status, reason, attempts].join('  '))
  }
  if (events.length === 0) say('Nothing waits.')
  return { events }
}

async function retryEvents(): Promise<object> {
  const result = await billing.retryPendingEvents()
  say(`${result.processed.length} processed, ${result.waiting.length} still waiting`)
  return { ...result }
}

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false } },
  })
  const [command, ...rest] = positionals
  let result: object | undefined
  if (command === 'plans' && rest[0] === 'push') result = await pushPlans()
  else if (command === 'sync' && rest.length > 0) result = await sync(rest)
  else if (command === 'events' && rest.length === 0) result = await listEvents()
  else if (command === 'events' && rest[0] === 'retry') result = await retryEvents()
  if (!result) throw new Error(USAGE)
  await db.$disconnect()
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`)
}

main().catch((error: unknown) => {
  say(maskText(error instanceof Error ? error.message : String(error)))
  process.exitCode = 1
})
