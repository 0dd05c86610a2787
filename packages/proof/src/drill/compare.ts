/**
 * Compares our rows with the provider's state, fact by fact. Only `mayDiffer` allows differences: a
 * subscription that moves to a price without a plan keeps its row until it ends, and a customer without any
 * objects may not be linked yet. A subscription that had such a price from the start has to be flagged.
 *
 * @module
 */

import type { Facts, ProviderTruth } from './provider.ts'
import type { OurRows } from './rows.ts'
import type { Violation } from './violation.ts'

const OBJECTS = ['customers', 'subscriptions', 'invoices', 'payments', 'refunds', 'orders'] as const

const ENDED = new Set(['canceled', 'incomplete_expired'])
const CURRENT = new Set(['trialing', 'active', 'past_due', 'unpaid', 'paused'])

/** All differences that `mayDiffer` does not allow. */
export function compareRows(truth: ProviderTruth, rows: OurRows): Violation[] {
  const violations: Violation[] = []
  const blame = (id: string, message: string) => violations.push({ invariant: 'row', id, message })
  for (const name of OBJECTS) {
    for (const [id, theirs] of truth[name]) {
      const ours = rows[name].get(id)
      if (!ours) {
        blame(id, `${name}: exists at the provider but not here`)
        continue
      }
      for (const [fact, value] of Object.entries(theirs)) {
        if (ours[fact] === value || mayDiffer({ name, id, fact, theirs, truth, rows })) continue
        blame(id, `${name}.${fact}: ${ours[fact]} here, ${value} at the provider`)
      }
    }
    for (const id of rows[name].keys()) {
      if (!truth[name].has(id)) blame(id, `${name}: exists here but not at the provider`)
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

/** Whether the customer has no objects yet. The first object links the customer. */
const isNew = (ownerId: string, truth: ProviderTruth): boolean =>
  (['subscriptions', 'invoices', 'payments'] as const).every((name) =>
    [...truth[name].values()].every((facts) => facts.ownerId !== ownerId),
  )

/**
 * Checks that each flag is justified: a second subscription has a current one beside it, an unknown price
 * belongs to no plan.
 */
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
      const message = `subscription: flagged ${flag} without a reason`
      violations.push({ invariant: 'row', id, message })
    }
    const isSeenThere = rows.subscriptions.get(id)?.lookupKey === null
    if (isSeenThere && flag === null) {
      const message = 'subscription: has a price without a plan but is not flagged'
      violations.push({ invariant: 'row', id, message })
    }
  }
  return violations
}
