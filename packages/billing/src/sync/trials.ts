/**
 * One trial per person: an address in any spelling, and a card, each have one. What is kept of them is a keyed hash:
 * whoever reads the table and knows addresses cannot tell whose trials they were.
 *
 * @module
 */

import { createHash, createHmac, hkdfSync } from 'node:crypto'
import { readEnv } from '@repo/core'
import type { Db } from '@repo/db'
import { z } from 'zod'
import type { BillingContext } from '../context.ts'
import type { SubscriptionShape } from '../providers/stripe/shapes.ts'

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

export const trialEnv = z.object({
  /** Also encrypts integrations: what is replaced there, with the old one behind it, is replaced here. */
  ENCRYPTION_KEYS: z.string().optional(),
  ENCRYPTION_KEY: z.string().optional(),
  BETTER_AUTH_SECRET: z.string().optional(),
})

/**
 * The secrets of the hashes, the first for new ones. Without any, of a constant: then the hashes are as good as
 * unkeyed, and replacing nothing gives nobody a second trial.
 */
export function readTrialSecrets(): string[] {
  const env = readEnv(trialEnv)
  const keys = (env.ENCRYPTION_KEYS ?? env.ENCRYPTION_KEY ?? '').split(',').map((key) => key.trim())
  const secrets = [...keys, env.BETTER_AUTH_SECRET ?? ''].filter((secret) => secret !== '')
  return secrets.length > 0 ? secrets : ['tollgate']
}

/** As it was kept once, without a key; see `keyTrials`. */
const unkeyedEmail = (email: string): string =>
  `email:${createHash('sha256').update(normalizeEmail(email)).digest('hex')}`
const unkeyedCard = (fingerprint: string): string => `card:${fingerprint}`

const PREFIX = { email: 'mailbox', card: 'payment-card' } as const

/** `unkeyed` under one secret. */
function keyed(secret: string, unkeyed: string): string {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'tollgate trial redemptions', 32))
  const [kind = '', value = ''] = unkeyed.split(':')
  const prefix = PREFIX[kind as keyof typeof PREFIX]
  return `${prefix}:${createHmac('sha256', key).update(value).digest('hex')}`
}

/** Every form in which a trial may have been kept, the one that is written first. */
const formsOf = (ctx: BillingContext, unkeyed: string): string[] => [
  ...ctx.trialSecrets.map((secret) => keyed(secret, unkeyed)),
  unkeyed,
]

/** Whether this address has had a trial. */
export async function hasHadTrial(ctx: BillingContext, email: string): Promise<boolean> {
  const where = { key: { in: formsOf(ctx, unkeyedEmail(email)) } }
  return (await ctx.db.trialRedemption.findFirst({ where })) !== null
}

const AT_ONCE = 1_000

/** Puts a keyed hash in the place of each that has no key. Returns how many there were. */
export async function keyTrials(ctx: BillingContext): Promise<number> {
  const [secret = ''] = ctx.trialSecrets
  let done = 0
  for (;;) {
    const rows = await ctx.db.$queryRaw<{ key: string }[]>`
      SELECT "key" FROM "TrialRedemption" WHERE "key" LIKE 'email:%' OR "key" LIKE 'card:%'
      LIMIT ${AT_ONCE}`
    for (const { key } of rows) {
      const next = keyed(secret, key)
      await ctx.db.$transaction([
        ctx.db.$executeRaw`
          INSERT INTO "TrialRedemption" ("key", "stripeSubscriptionId", "createdAt")
          SELECT ${next}, "stripeSubscriptionId", "createdAt" FROM "TrialRedemption" WHERE "key" = ${key}
          ON CONFLICT ("key") DO NOTHING`,
        ctx.db.trialRedemption.deleteMany({ where: { key } }),
      ])
    }
    done += rows.length
    if (rows.length < AT_ONCE) return done
  }
}

/** A trial that runs, and what tells whose it is. */
export interface RunningTrial {
  stripeSubscriptionId: string
  /** Written down. */
  keys: string[]
  /** Looked for. */
  forms: string[]
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
  return trialing.map(({ stripeSubscriptionId, cardFingerprint }) => {
    const told = [
      ...(owner ? [formsOf(ctx, unkeyedEmail(owner.email))] : []),
      ...(cardFingerprint ? [formsOf(ctx, unkeyedCard(cardFingerprint))] : []),
    ]
    return { stripeSubscriptionId, keys: told.flatMap(([key]) => key ?? []), forms: told.flat() }
  })
}

/** Writes the trials down and returns the subscriptions whose person has had one elsewhere. */
export async function redeemTrials(tx: Db, trials: RunningTrial[]): Promise<Set<string>> {
  const repeated = new Set<string>()
  for (const { stripeSubscriptionId, keys, forms } of trials) {
    const before = await tx.trialRedemption.count({
      where: { key: { in: forms }, NOT: { stripeSubscriptionId } },
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
      where: { key: { in: forms }, NOT: { stripeSubscriptionId } },
    })
    if (after > 0) repeated.add(stripeSubscriptionId)
  }
  return repeated
}
