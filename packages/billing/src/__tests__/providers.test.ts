/** One suite against all three providers, each over its real transport. */

import { createTestDatabase } from '@repo/db/testing'
import { describe, expect, inject, test } from 'vitest'
import { PROVIDER_NAMES } from '../provider-name.ts'
import { effectsConformance, providerConformance } from '../testing.ts'
import { API_VERSIONS } from './harness.ts'
import { creemMarket, effectsSubject, localMarket, stripeMarket } from './orders-markets.ts'
import { creemSubject, localSubject, stripeSubject } from './provider-subjects.ts'

describe.each(API_VERSIONS)('Stripe in the shape of %s', (version) => {
  providerConformance({ describe, test }, () => stripeSubject(version))
})

describe('Creem', () => providerConformance({ describe, test }, creemSubject))

describe('local', () => providerConformance({ describe, test }, localSubject))

describe.each([
  ['Stripe', stripeMarket],
  ['Creem', creemMarket],
  ['local', localMarket],
])('a host of %s', (_, open) => {
  effectsConformance({ describe, test }, async (effects) =>
    effectsSubject(await open(inject('postgres'), { effects })),
  )
})

test('the database takes orders and subscriptions of exactly these providers', async () => {
  const { db, drop } = await createTestDatabase(inject('postgres'))
  const checks = await db.$queryRaw<{ table: string; text: string }[]>`
    SELECT conrelid::regclass::text AS "table", pg_get_constraintdef(oid) AS "text" FROM pg_constraint
    WHERE conname IN ('Order_provider_check', 'Subscription_provider_check')`
  expect(checks.map(({ table }) => table).sort()).toEqual(['"Order"', '"Subscription"'])
  for (const { text } of checks) {
    const names = [...text.matchAll(/'(\w+)'::text/g)].map(([, name]) => name)
    expect([...new Set(names)].sort()).toEqual([...PROVIDER_NAMES].sort())
  }
  await drop()
})
