/** One suite against all three providers, each over its real transport. */

import { describe, inject, test } from 'vitest'
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
