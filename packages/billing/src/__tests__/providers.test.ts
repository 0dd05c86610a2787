/** One suite against every provider, each over its real transport. */

import { createTestDatabase } from '@repo/db/testing'
import { describe, expect, inject, test } from 'vitest'
import { PROVIDER_NAMES, type ProviderName } from '../provider-name.ts'
import { type ConformanceSubject, effectsConformance, providerConformance } from '../testing.ts'
import { creemSubject } from './creem-market.ts' // #creem
import { API_VERSIONS } from './harness.ts'
import { MARKETS } from './markets.ts'
import { effectsSubject } from './orders-markets.ts'
import { localSubject, stripeSubject } from './provider-subjects.ts'

describe.each(API_VERSIONS)('stripe in the shape of %s', (version) => {
  providerConformance({ describe, test }, () => stripeSubject(version))
})

const OTHERS: Record<Exclude<ProviderName, 'stripe'>, () => Promise<ConformanceSubject>> = {
  creem: creemSubject, // #creem
  local: localSubject,
}

describe.each(Object.entries(OTHERS))('%s', (_, setup) => {
  providerConformance({ describe, test }, setup)
})

describe.each(Object.entries(MARKETS))('a host of %s', (_, open) => {
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
  for (const { table, text } of checks) {
    const names = [...text.matchAll(/'(\w+)'::text/g)].map(([, name]) => name)
    const advice = `A migration must give ${table} a check "provider" with all PROVIDER_NAMES.`
    expect(names, advice).toEqual(expect.arrayContaining([...PROVIDER_NAMES]))
    expect([...new Set(names)].sort(), advice).toEqual([...PROVIDER_NAMES].sort()) // #creem
  }
  await drop()
})
