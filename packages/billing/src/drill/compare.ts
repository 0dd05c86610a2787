/**
 * Our rows against the provider's state, fact by fact. What may differ is listed in `mayDiffer` and
 * nowhere else: a subscription at a price that is no plan of ours keeps what it was, until it ends,
 * and one that we first saw there is flagged; a customer who has nothing may not be linked yet.
 *
 * @module
 */

import type { Facts, ProviderTruth } from './provider.ts'
import type { OurRows } from './rows.ts'
import type { Violation } from './violation.ts'

const OBJECTS = ['customers', 'subscriptions', 'invoices', 'payments', 'refunds', 'orders'] as const

const ENDED = new Set(['canceled', 'incomplete_expired'])
const CURRENT = new Set(['trialing', 'active', 'past_due', 'unpaid', 'paused'])

/** Every difference that is not documented. */
export function compareRows(truth: ProviderTruth, rows: OurRows): Violation[] {
  const violations: Violation[] = []
  const blame = (id: string, message: string) => violations.push({ invariant: 'row', id, message })
  for (const name of OBJECTS) {
    for (const [id, theirs] of truth[name]) {
      const ours = rows[name].get(id)
      if (!ours) {
        blame(id, `${name}: the provider has it and we do not`)
        continue
      }
      for (const [fact, value] of Object.entries(theirs)) {
        if (ours[fact] === value || mayDiffer({ name, id, fact, theirs, truth, rows })) continue
        blame(id, `${name}.${fact}: ${ours[fact]} here, ${value} at the provider`)
      }
    }
    for (const id of rows[name].keys()) {
      if (!truth[name].has(id)) blame(id, `${name}: we have it and the provider does not`)
    }
  }
  violations.push(...checkFlags(truth, rows))
  return violations
}

interface Difference {
  name: (typeof OBJECTS)[number]
  id: string
  fact: string
  theirs: Facts
  truth: ProviderTruth
  rows: OurRows
}

function mayDiffer({ name, id, theirs, truth, rows }: Difference): boolean {
  if (name === 'customers')
    return rows.customers.get(id)?.stripeCustomerId === null && isNew(id, truth)
  return name === 'subscriptions' && theirs.lookupKey === null && !ENDED.has(String(theirs.status))
}

/** Who has nothing yet is linked by the first thing they do. */
const isNew = (ownerId: string, truth: ProviderTruth): boolean =>
  (['subscriptions', 'invoices', 'payments'] as const).every((name) =>
    [...truth[name].values()].every((facts) => facts.ownerId !== ownerId),
  )

/** A flag has to be true: a second one stands beside a first, a foreign price is foreign. */
function checkFlags(truth: ProviderTruth, rows: OurRows): Violation[] {
  const violations: Violation[] = []
  const holders = new Map<unknown, string>()
  for (const [id, { ownerId, status }] of rows.subscriptions) {
    if (CURRENT.has(String(status)) && !rows.flagged.has(id)) holders.set(ownerId, id)
  }
  for (const [id, theirs] of truth.subscriptions) {
    const { ownerId, lookupKey, status } = theirs
    const flag = rows.flagged.get(id) ?? null
    const keepsWhatItWas = lookupKey === null && !ENDED.has(String(status))
    const isTrue =
      flag === null ||
      keepsWhatItWas ||
      (flag === 'unknown_price' && lookupKey === null) ||
      (flag === 'trial_already_used' && status === 'trialing') ||
      (flag === 'second_current_subscription' &&
        CURRENT.has(String(status)) &&
        holders.has(ownerId))
    if (!isTrue) {
      const message = `subscription: flagged ${flag} without cause`
      violations.push({ invariant: 'row', id, message })
    }
    const isSeenThere = rows.subscriptions.get(id)?.lookupKey === null
    if (isSeenThere && flag === null) {
      const message = 'subscription: at a foreign price and not flagged'
      violations.push({ invariant: 'row', id, message })
    }
  }
  return violations
}
