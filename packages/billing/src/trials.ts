/**
 * One trial per person: an address in any spelling, and a card, each have one.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import type { Db } from '@repo/db'
import type { BillingContext } from './context.ts'
import type { SubscriptionShape } from './shapes.ts'

const DOTLESS = new Set(['gmail.com', 'googlemail.com'])

/**
 * The mailbox an address reaches: lower case, without a `+tag`, and at Google without dots. Not an
 * address to write to.
 */
export function normalizeEmail(email: string): string {
  const at = email.lastIndexOf('@')
  const host = email.slice(at + 1).toLowerCase()
  const [local = ''] = email.slice(0, at).toLowerCase().split('+')
  if (!DOTLESS.has(host)) return `${local}@${host}`
  return `${local.replaceAll('.', '')}@gmail.com`
}

const emailKey = (email: string): string =>
  `email:${createHash('sha256').update(normalizeEmail(email)).digest('hex')}`
const cardKey = (fingerprint: string): string => `card:${fingerprint}`

/** Whether this address has had a trial. */
export async function hasHadTrial(ctx: BillingContext, email: string): Promise<boolean> {
  const found = await ctx.db.trialRedemption.findUnique({ where: { key: emailKey(email) } })
  return found !== null
}

/** A trial that runs, and what tells whose it is. */
export interface RunningTrial {
  stripeSubscriptionId: string
  keys: string[]
}

/** The trials among `subscriptions`, with what tells the person. */
export async function runningTrials(
  ctx: BillingContext,
  ownerId: string,
  subscriptions: SubscriptionShape[],
): Promise<RunningTrial[]> {
  const trialing = subscriptions.filter(({ status }) => status === 'trialing')
  if (trialing.length === 0) return []
  const owner = await ctx.owner(ownerId)
  return trialing.map(({ stripeSubscriptionId, cardFingerprint }) => ({
    stripeSubscriptionId,
    keys: [
      ...(owner ? [emailKey(owner.email)] : []),
      ...(cardFingerprint ? [cardKey(cardFingerprint)] : []),
    ],
  }))
}

/** Writes the trials down and returns the subscriptions whose person has had one elsewhere. */
export async function redeemTrials(tx: Db, trials: RunningTrial[]): Promise<Set<string>> {
  const repeated = new Set<string>()
  for (const { stripeSubscriptionId, keys } of trials) {
    const before = await tx.trialRedemption.count({
      where: { key: { in: keys }, NOT: { stripeSubscriptionId } },
    })
    if (before > 0) {
      repeated.add(stripeSubscriptionId)
      continue
    }
    // In one order, so that two syncs that share a card wait for each other and do not deadlock.
    for (const key of [...keys].sort()) {
      await tx.$executeRaw`
        INSERT INTO "TrialRedemption" ("key", "stripeSubscriptionId")
        VALUES (${key}, ${stripeSubscriptionId}) ON CONFLICT ("key") DO NOTHING`
    }
    const after = await tx.trialRedemption.count({
      where: { key: { in: keys }, NOT: { stripeSubscriptionId } },
    })
    if (after > 0) repeated.add(stripeSubscriptionId)
  }
  return repeated
}
