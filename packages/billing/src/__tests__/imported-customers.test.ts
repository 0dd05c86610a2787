/** Customers of an existing Stripe account: linked once, with their state and without their past. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import { createBilling, definePlans, plans } from '../index.ts'
import { createCli } from './cli-process.ts'
import { createHarness, type Harness } from './harness.ts'

let h: Harness
let folder: string
const told: string[] = []
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tollgate-map-'))
})
afterAll(() => rm(folder, { recursive: true }))
/** The harness of the default plans, which the command has without a configuration. */
let plain: Harness
beforeAll(async () => {
  plain = await createHarness(inject('postgres'))
  return () => plain.close()
})
beforeEach(async () => {
  told.length = 0
  const heard = async (_: unknown, { name }: { name: string }) => void told.push(name)
  h = await createHarness(inject('postgres'), {
    settings: {
      effects: {
        'subscription.activated': heard,
        'invoice.paid': heard,
        'payment.succeeded': heard,
      },
      plans: definePlans({
        ...plans,
        PRO: { ...plans.PRO, credits: { amount: 1000, rollover: 'none' } },
      }),
    },
  })
  return () => h.close()
})

/** A customer at Stripe, made by hand-written code. */
async function customer(
  metadata: Record<string, string> = {},
  email = 'billing@elsewhere.example',
) {
  const { id } = await h.stripe.customers.create({ name: 'As Stripe knows them', email, metadata })
  return id
}

async function subscribed(id: string, lookupKey = 'pro_monthly') {
  const [price] = (await h.stripe.prices.list({ lookup_keys: [lookupKey] })).data
  const card = await h.stripe.paymentMethods.attach('pm_card_visa', { customer: id })
  await h.stripe.subscriptions.create({
    customer: id,
    default_payment_method: card.id,
    items: [{ price: price?.id as string }],
  })
  return id
}

const planOf = async (ownerId: string) => (await h.billing.getSubscription(ownerId)).plan
const reasons = (result: { conflicts: { customer: string; reason: string }[] }) =>
  Object.fromEntries(result.conflicts.map(({ customer: id, reason }) => [id, reason]))

test('a customer is linked by the metadata that hand-written code set, with its state and nothing of its past', async () => {
  const ownerId = await h.owner()
  const id = await subscribed(await customer({ userId: ownerId, note: 'kept' }))
  const result = await h.billing.importCustomers()
  expect(result).toMatchObject({
    customers: 1,
    linked: [{ customer: id, ownerId, ownerType: 'user', by: 'metadata' }],
    conflicts: [],
    unmatched: [],
    failed: [],
    outcome: 'done',
  })
  expect(await h.billing.getSubscription(ownerId)).toMatchObject({ plan: 'PRO', status: 'active' })
  await h.work()
  expect(told).toEqual([])
  expect(h.outbox.sent).toEqual([])
  // Of this month alone.
  expect(await h.billing.getBalance(ownerId)).toMatchObject({ balance: 1000 })
  expect(await h.stripe.customers.retrieve(id)).toMatchObject({
    name: 'As Stripe knows them',
    email: 'billing@elsewhere.example',
    metadata: { ownerId, ownerType: 'user', environment: 'localhost:3000', note: 'kept' },
  })
  const row = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
  expect(row.billingEmail).toBe('billing@elsewhere.example')
})

test('a second import changes nothing, here or at Stripe, and grants no credits again', async () => {
  const ownerId = await h.owner()
  await subscribed(await customer({ userId: ownerId }))
  await h.billing.importCustomers()
  const events = async () => (await h.stripe.events.list({ limit: 100 })).data.length
  const before = [
    await events(),
    await h.db.customer.findMany(),
    await h.db.effect.count(),
    await h.db.creditTransaction.count(),
  ]
  expect(await h.billing.importCustomers()).toMatchObject({ linked: [], present: 1, conflicts: [] })
  expect([
    await events(),
    await h.db.customer.findMany(),
    await h.db.effect.count(),
    await h.db.creditTransaction.count(),
  ]).toEqual(before)
})

test('what comes after the import has its effects', async () => {
  const ownerId = await h.owner()
  await subscribed(await customer({ userId: ownerId }))
  await h.billing.importCustomers()
  const { stripeSubscriptionId } = await h.billing.getSubscription(ownerId)
  h.sandbox.stripe.renew(stripeSubscriptionId as string)
  await h.billing.syncCustomer(ownerId)
  expect(told).toEqual(['invoice.paid'])
})

test('a dry run says whom it would link, and writes nothing here or at Stripe', async () => {
  const ownerId = await h.owner()
  const id = await customer({ userId: ownerId })
  const result = await h.billing.importCustomers({ dryRun: true })
  expect(result.linked).toEqual([{ customer: id, ownerId, ownerType: 'user', by: 'metadata' }])
  expect(await h.db.customer.count()).toBe(0)
  expect((await h.stripe.customers.retrieve(id)) as object).toMatchObject({
    metadata: { userId: ownerId },
  })
})

test('an address links a user only where it is asked for, and only a proven address', async () => {
  const [ada, eve] = [await h.owner(), await h.owner()]
  await h.db.user.update({ where: { id: eve }, data: { emailVerified: false } })
  const [first, second] = [
    await customer({}, `${ada}@Example.com`),
    await customer({}, `${eve}@example.com`),
  ]
  const without = await h.billing.importCustomers({ dryRun: true })
  expect(without.linked).toEqual([])
  const result = await h.billing.importCustomers({ byEmail: true })
  expect(result.linked).toMatchObject([{ customer: first, ownerId: ada, by: 'email' }])
  expect(result.unmatched).toEqual([second])
})

test('a map counts more than metadata, and names customers and owners that do not exist', async () => {
  const [ada, bob] = [await h.owner(), await h.owner()]
  const [first, second] = [await customer({ userId: bob }), await customer()]
  const owners = new Map([
    [first, ada],
    [second, 'nobody'],
    ['cus_gone', bob],
  ])
  const result = await h.billing.importCustomers({ owners })
  expect(result.linked).toMatchObject([{ customer: first, ownerId: ada, by: 'map' }])
  expect(reasons(result)).toEqual({ [second]: 'owner_not_found', cus_gone: 'customer_not_found' })
})

test('of several customers of an owner the one that pays is linked, and two that pay are left to a person', async () => {
  const [ada, bob, eve] = [await h.owner(), await h.owner(), await h.owner()]
  const old = await customer({ userId: ada })
  const paying = await subscribed(await customer({ userId: ada }))
  const twice = [
    await subscribed(await customer({ userId: bob })),
    await subscribed(await customer({ userId: bob })),
  ]
  const idle = [await customer({ userId: eve }), await customer({ userId: eve })]
  const result = await h.billing.importCustomers()
  expect(result.linked).toMatchObject([{ customer: paying, ownerId: ada }])
  expect(reasons(result)).toEqual(
    Object.fromEntries([old, ...twice, ...idle].map((id) => [id, 'several_customers'])),
  )
  expect([await planOf(ada), await planOf(bob)]).toEqual(['PRO', 'FREE'])
  const decided = await h.billing.importCustomers({ owners: new Map([[twice[1] as string, bob]]) })
  expect(decided.linked).toMatchObject([{ customer: twice[1], ownerId: bob, by: 'map' }])
  // Ada has hers by now.
  expect(reasons(decided)[old]).toBe('owner_has_other_customer')
  expect(await planOf(bob)).toBe('PRO')
})

test('metadata of another environment names nobody here', async () => {
  const ownerId = await h.owner()
  const id = await customer({ ownerId, ownerType: 'user', environment: 'staging.example.com' })
  expect(await h.billing.importCustomers()).toMatchObject({ linked: [], unmatched: [id] })
})

test('prices that no plan names are counted before anybody is linked', async () => {
  const { subscriptionId } = await h.foreignSubscription()
  const { items } = await h.stripe.subscriptions.retrieve(subscriptionId)
  const { unknownPrices } = await h.billing.importCustomers({ dryRun: true })
  expect(unknownPrices).toEqual([
    { price: items.data[0]?.price.id, lookupKey: null, subscriptions: 1 },
  ])
})

test('an import that was stopped or whose process died goes on with those who are left', async () => {
  const owners = await Promise.all(Array.from({ length: 6 }, () => h.owner()))
  for (const userId of owners) await customer({ userId })
  const stop = new AbortController()
  const first = await h.billing.importCustomers({
    signal: stop.signal,
    onProgress: (_, total) => total && stop.abort(),
  })
  expect(first.outcome).toBe('stopped')
  const { length } = first.linked
  expect(length).toBeGreaterThan(0)
  // It died after it had linked a customer, and before the sync.
  await h.db.customer.updateMany({
    where: { ownerId: first.linked[0]?.ownerId as string },
    data: { syncedAt: null },
  })
  const second = await h.billing.importCustomers()
  expect(second).toMatchObject({ outcome: 'done', present: length - 1, failed: [] })
  expect(second.linked).toHaveLength(6 - length + 1)
  expect(await h.db.customer.count({ where: { syncedAt: { not: null } } })).toBe(6)
})

test('two imports at once do not work on the same customers', async () => {
  for (let n = 0; n < 3; n += 1) await customer({ userId: await h.owner() })
  const outcomes = await Promise.all([h.billing.importCustomers(), h.billing.importCustomers()])
  expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['busy', 'done'])
})

test('a customer that fails is named with the error’s code, and the others are linked', async () => {
  const [ada, bob] = [await h.owner(), await h.owner()]
  const broken = await customer({ userId: ada })
  const fine = await customer({ userId: bob })
  const billing = createBilling({
    ...h.settings,
    stripe: new Proxy(h.stripe, {
      get: (target, key) =>
        key === 'customers'
          ? new Proxy(target.customers, {
              get: (own, name) =>
                name === 'update'
                  ? async (id: string, ...more: [never]) => {
                      if (id === broken) throw new Error('the key of ada@example.com')
                      return own.update(id, ...more)
                    }
                  : Reflect.get(own, name),
            })
          : Reflect.get(target, key),
    }),
  })
  const result = await billing.importCustomers()
  expect(result.linked).toMatchObject([{ customer: fine }])
  expect(result.failed).toMatchObject([{ customer: broken, ownerId: ada }])
  expect(JSON.stringify(result)).not.toContain('@')
  expect(await h.billing.importCustomers()).toMatchObject({
    linked: [{ customer: broken }],
    failed: [],
  })
})

test('the command prints whom it links, and ends with 1 where a person has to decide', async () => {
  const cli = createCli(plain)
  const ownerId = await plain.owner()
  const id = (await plain.stripe.customers.create({ metadata: { userId: ownerId } })).id
  const dry = await cli.run(['import', '--dry-run'])
  expect(dry).toMatchObject({ code: 0 })
  expect(dry.stderr).toContain(`${id} → user ${ownerId} (metadata)\n`)
  expect(dry.stderr).toContain('1 customers at Stripe: 1 would be linked')
  expect(await plain.db.customer.count()).toBe(0)

  const map = join(folder, 'map.csv')
  await writeFile(map, `customer,owner\n${id},${ownerId}\ncus_gone,${ownerId}\n`)
  const run = await cli.run(['import', '--map', map, '--json'])
  expect(run.code).toBe(1)
  expect(run.json()).toMatchObject({
    linked: [{ customer: id, by: 'map' }],
    conflicts: [{ customer: 'cus_gone', reason: 'customer_not_found' }],
  })
})

test.each(['no customer', 'cus_1,a\ncus_1,b', '{"customer":1,"owner":"a"}', 'cus_1,a,b'])(
  'a map with %j is refused with its line, before anything is read',
  async (text) => {
    const map = join(folder, 'bad.csv')
    await writeFile(map, text)
    const run = await createCli(plain).run(['import', '--map', map])
    expect(run).toMatchObject({ code: 2, stdout: '' })
    expect(run.stderr).toMatch(/^Line \d of /)
    expect(await createCli(plain).run(['import', '--map', join(folder, 'absent')])).toMatchObject({
      code: 2,
    })
  },
)
