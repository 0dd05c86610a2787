/**
 * Allows one trial per person: one per e-mail address in any spelling, and one per card. Only keyed hashes
 * are stored, so a reader of the table who knows addresses cannot tell whose trials they were.
 *
 * @module
 */

import { createHash, createHmac, hkdfSync } from 'node:crypto'
import { readEnv } from '@repo/core'
import type { Db } from '@repo/db'
import * as z from 'zod'
import type { BillingContext } from '../context.ts'
import type { SubscriptionShape } from '../providers/stripe/shapes.ts'

/** Hosts that ignore dots in the local part of an address. */
const DOTLESS = new Set(['gmail.com', 'googlemail.com'])

/**
 * The mailbox that an address reaches: in lower case, without a `+tag`, and at Google without dots. Use it to
 * compare addresses, not to send mail.
 */
export function normalizeEmail(email: string): string {
  const at = email.lastIndexOf('@')
  const host = email.slice(at + 1).toLowerCase()
  const [local = ''] = email.slice(0, at).toLowerCase().split('+')
  if (!DOTLESS.has(host)) return `${local}@${host}`
  return `${local.replaceAll('.', '')}@gmail.com`
}

/** The environment variables whose secrets key the hashes. */
export const trialEnv = z.object({
  /** The keys that also encrypt integrations, the newest first. Old keys stay in the list. */
  ENCRYPTION_KEYS: z.string().optional(),
  ENCRYPTION_KEY: z.string().optional(),
  BETTER_AUTH_SECRET: z.string().optional(),
})

/**
 * The secrets of the hashes; new hashes use the first. Without any secret a constant is used, and the hashes
 * are as good as unkeyed.
 */
export function readTrialSecrets(): string[] {
  const env = readEnv(trialEnv)
  const keys = (env.ENCRYPTION_KEYS ?? env.ENCRYPTION_KEY ?? '').split(',').map((key) => key.trim())
  const secrets = [...keys, env.BETTER_AUTH_SECRET ?? ''].filter((secret) => secret !== '')
  return secrets.length > 0 ? secrets : ['tollgate']
}

/** The form in which older rows are stored, without a key; see `keyTrials`. */
const unkeyedEmail = (email: string): string =>
  `email:${createHash('sha256').update(normalizeEmail(email)).digest('hex')}`
const unkeyedCard = (fingerprint: string): string => `card:${fingerprint}`

const PREFIX = { email: 'mailbox', card: 'payment-card' } as const

/** The keyed hash of `unkeyed` with one secret. */
function keyed(secret: string, unkeyed: string): string {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'tollgate trial redemptions', 32))
  const [kind = '', value = ''] = unkeyed.split(':')
  const prefix = PREFIX[kind as keyof typeof PREFIX]
  return `${prefix}:${createHmac('sha256', key).update(value).digest('hex')}`
}

/** Every form in which a trial may be stored. The first is the form for new rows. */
const formsOf = (ctx: BillingContext, unkeyed: string): string[] => [
  ...ctx.trialSecrets.map((secret) => keyed(secret, unkeyed)),
  unkeyed,
]

/** Whether this address has had a trial. */
export async function hasHadTrial(ctx: BillingContext, email: string): Promise<boolean> {
  const where = { key: { in: formsOf(ctx, unkeyedEmail(email)) } }
  return (await ctx.db.trialRedemption.findFirst({ where })) !== null
}

/** Rows replaced between two queries. */
const AT_ONCE = 1_000

/** Replaces stored forms without a key by keyed hashes. Returns how many were replaced. */
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

/** A running trial, with the hashes of its person's address and card. */
export interface RunningTrial {
  stripeSubscriptionId: string
  /** The hashes that are written. */
  keys: string[]
  /** All forms that are looked up. */
  forms: string[]
}

/** The running trials among `subscriptions`, with the hashes of address and card. */
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

/** Stores the trials. Returns the subscriptions whose person has already had a trial with another subscription. */
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
    // Sorted, so that two syncs that share a card wait for each other and do not deadlock.
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
