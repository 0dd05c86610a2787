/**
 * Which files write which table. A row that several files write is understood by none of them, so a new writer is
 * named here with its reason, or the write moves into a file that is named already.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const SOURCE = fileURLToPath(new URL('..', import.meta.url))

/** Empties what names a person, in every table at once. */
const FORGETS = { 'owners/owners.ts': 'forgets an owner' }

const WRITERS: Record<string, Record<string, string>> = {
  BillingDeclaration: { 'effects/declarations.ts': 'what an instance is made of' },
  Booking: { 'bookings/bookings.ts': 'the state after an event', ...FORGETS },
  BookingUid: { 'bookings/bookings.ts': 'the names of a chain' },
  CheckoutSession: {
    'orders/purchases.ts': 'takes and gives back the place of a purchase',
    'checkout/sessions.ts': 'the page of the purchase',
    'customers/customers.ts': 'closes the purchase of a deleted customer',
    ...FORGETS,
  },
  CreditWork: { 'credits/work.ts': 'work under way' },
  Customer: {
    'customers/customers.ts': 'makes, links and ends a customer',
    'orders/process-stripe.ts': 'links a customer by its metadata',
    'sync/link.ts': 'links a customer that a person names',
    'sync/turns.ts': 'the tickets of syncs',
    ...FORGETS,
  },
  Effect: {
    'effects/take-effects.ts': 'records facts',
    'effects/waiting.ts': 'ends the wait for another instance',
    'sync/link.ts': 'removes the end of a restored subscription',
    ...FORGETS,
  },
  FormerCustomer: {
    'customers/customers.ts': 'the ids of ended customers',
    'sync/link.ts': 'restores one',
  },
  Invoice: { 'sync/write.ts': 'the state at Stripe', ...FORGETS },
  Order: {
    'orders/create.ts': 'begins an order',
    'checkout/own-amount.ts': 'begins an order of an amount that the host names',
    'orders/settle.ts': 'what the provider answered',
    'orders/facts.ts': 'flags an order whose handler threw',
    'orders/order-credits.ts': 'credits that were taken back',
    'orders/renewals.ts': 'later payments, at a provider without a customer sync',
    'sync/invoice-orders.ts': 'payments of invoices, at a provider with one',
    'orders/stuck.ts': 'when an order is asked about again',
    ...FORGETS,
  },
  Payment: { 'sync/write.ts': 'the state at Stripe', ...FORGETS },
  Price: { 'sync/prices.ts': 'the state at Stripe' },
  Product: { 'sync/prices.ts': 'the state at Stripe' },
  Refund: { 'sync/write.ts': 'the state at Stripe' },
  RefusedRequest: { 'customers/request-keys.ts': 'keys of requests that were refused' },
  RepairRun: { 'sync/repair-run.ts': 'the place of a repair' },
  StripeAccount: { 'customers/account.ts': 'whose keys were seen' },
  Subscription: {
    'sync/write-subscriptions.ts': 'the state at Stripe',
    'orders/ordered-subscription.ts': 'the state at a provider without a customer sync',
    'sync/plan-intent.ts': 'a change between its two requests',
    'customers/customers.ts': 'ends those of a deleted customer',
    'sync/link.ts': 'lets one run again that was ended by mistake',
    ...FORGETS,
  },
  TrialRedemption: { 'sync/trials.ts': 'whose trial it was' },
  WebhookEvent: {
    'webhooks/store.ts': 'stores events',
    'webhooks/queue.ts': 'claims, finishes and postpones them',
    'webhooks/events.ts': 'a person’s commands, and what is old',
    ...FORGETS,
  },
}

const FILES = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter(
  (file) => /\.tsx?$/.test(file) && !file.startsWith('__tests__'),
)

/** The tables of the schema that are billing's. */
const TABLES = (() => {
  const schema = new URL('../../../../prisma/schema', import.meta.url)
  const text = readdirSync(schema)
    .map((file) => readFileSync(join(fileURLToPath(schema), file), 'utf8'))
    .join('\n')
  return new Set([...text.matchAll(/^model (\w+)/gm)].flatMap(([, name]) => name ?? []))
})()

/** The tables that a file writes: through Prisma, in SQL, or by `upsertAll` and `insertNew`. */
function writtenIn(text: string): Set<string> {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
  const capital = (name = '') => `${name[0]?.toUpperCase()}${name.slice(1)}`
  const calls =
    /\.(\w+)\.(?:create|createMany|createManyAndReturn|update|updateMany|updateManyAndReturn|upsert|delete|deleteMany)\(/g
  return new Set(
    [
      ...[...code.matchAll(calls)].map(([, model]) => capital(model)),
      ...[...code.matchAll(/(?:INSERT INTO|UPDATE|DELETE FROM) "(\w+)"/g)].map(([, name]) => name),
      ...[...code.matchAll(/(?:upsertAll|insertNew|upsert)(?:<[^>]*>)?\(\s*\w+,\s*'(\w+)'/g)].map(
        ([, name]) => name,
      ),
    ].filter((name): name is string => TABLES.has(name ?? '')),
  )
}

test('each table is written by the files that are named for it, and by no other', () => {
  const found: Record<string, string[]> = {}
  for (const file of FILES) {
    for (const table of writtenIn(readFileSync(join(SOURCE, file), 'utf8'))) {
      found[table] = [...(found[table] ?? []), file].sort()
    }
  }
  const named = Object.entries(WRITERS).map(([table, files]) => [table, Object.keys(files).sort()])
  expect(found).toEqual(Object.fromEntries(named))
})

test('the check recognizes every form of a write', () => {
  const ways = [
    'tx.order.update({})',
    'await ctx.db.order.createMany({})',
    'tx.$executeRaw`UPDATE "Order" SET "sku" = 1`',
    "insertNew(tx, 'Order', rows)",
    "upsertAll<Order>(\n  tx,\n  'Order', 'id', rows)",
  ]
  for (const way of ways) expect([...writtenIn(way)]).toEqual(['Order'])
  expect([...writtenIn('// UPDATE "Order"\ntx.order.findMany({}); sessions.create()')]).toEqual([])
})
