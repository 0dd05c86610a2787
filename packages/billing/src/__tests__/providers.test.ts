/** One suite against all three providers, each over its real transport. */

import { describe, test } from 'vitest'
import { providerConformance } from '../testing.ts'
import { API_VERSIONS } from './harness.ts'
import { creemSubject, localSubject, stripeSubject } from './provider-subjects.ts'

describe.each(API_VERSIONS)('Stripe in the shape of %s', (version) => {
  providerConformance({ describe, test }, () => stripeSubject(version))
})

describe('Creem', () => providerConformance({ describe, test }, creemSubject))

describe('local', () => providerConformance({ describe, test }, localSubject))
