/**
 * Compares the counted effects with the recorded effects and with the final state.
 *
 * @module
 */

import type { EffectCalls } from '@repo/billing/testing'
import type { Facts, ProviderTruth } from './provider.ts'
import type { OurRows } from './rows.ts'
import type { Violation } from './violation.ts'

interface Checked {
  truth: ProviderTruth
  rows: OurRows
  calls: EffectCalls
  effects: readonly { key: string }[]
}

/**
 * Checks that each recorded effect ran once, that each fact of the final state is recorded, and that nothing
 * else is recorded.
 */
export function checkCalls({ truth, rows, calls, effects }: Checked): Violation[] {
  const violations: Violation[] = []
  const blame = (id: string, message: string) =>
    violations.push({ invariant: 'effect', id, message })
  const recorded = new Set(effects.map(({ key }) => key))
  for (const [key, count] of calls) {
    if (count > 1) blame(key, `took effect ${count} times`)
    if (!recorded.has(key)) blame(key, 'took effect but is not recorded')
  }
  for (const key of recorded) if (!calls.has(key)) blame(key, 'is recorded but did not take effect')
  for (const key of impliedBy(truth, rows, recorded)) {
    if (!recorded.has(key)) blame(key, 'never took effect')
  }
  for (const key of recorded) {
    const reason = refute(key, truth)
    if (reason) blame(key, reason)
  }
  return violations
}

/** Keys of the effects that the final state requires. Only an activated subscription sets off an end. */
function* impliedBy(
  truth: ProviderTruth,
  { flagged }: OurRows,
  recorded: ReadonlySet<string>,
): Generator<string> {
  for (const [id, { status, total: _, attemptCount }] of truth.invoices) {
    if (status === 'paid') yield `invoice:${id}:paid`
    if (status === 'open' && Number(attemptCount) > 0) {
      yield `invoice:${id}:attempt:${attemptCount}:failed`
    }
  }
  for (const [id, { status }] of truth.payments) {
    if (status === 'succeeded') yield `payment:${id}:succeeded`
  }
  for (const [id, { status }] of truth.refunds) if (status === 'succeeded') yield `refund:${id}`
  for (const [id, { status, lookupKey }] of truth.subscriptions) {
    if (flagged.has(id) || lookupKey === null) continue
    if (status === 'active' || status === 'trialing') yield `subscription:${id}:activated`
    if (status === 'canceled' && recorded.has(`subscription:${id}:activated`)) {
      yield `subscription:${id}:ended`
    }
  }
}

/** Why an effect contradicts the final state. Null: it does not. */
function refute(key: string, truth: ProviderTruth): string | null {
  const [object = '', id = '', what = '', number] = key.split(':')
  const tables: Record<string, Map<string, Facts>> = {
    invoice: truth.invoices,
    payment: truth.payments,
    refund: truth.refunds,
    subscription: truth.subscriptions,
  }
  const facts = tables[object]?.get(id)
  if (!facts) return 'is about an object that the provider does not have'
  if (object === 'invoice' && what === 'paid' && facts.status !== 'paid') return 'is not paid'
  if (what === 'attempt' && Number(number) > Number(facts.attemptCount)) {
    return `is about attempt ${number} of only ${facts.attemptCount}`
  }
  if (object === 'payment' && facts.status !== 'succeeded') return 'is not paid'
  if (what === 'ended' && facts.status !== 'canceled') return 'has not ended'
  return null
}
