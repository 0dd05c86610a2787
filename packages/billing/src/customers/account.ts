/**
 * Checks that the key belongs to the account at Stripe whose customers the database holds. Promise: a key of
 * another account or of the other mode is refused at its first use, before any request about a customer. With
 * such a key Stripe knows none of our customers, and every plan would seem to have ended.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { BillingError, isBillingError } from '../errors.ts'
import { ask, fingerprintOf, isMissing } from '../providers/stripe/client.ts'

const checked = new WeakMap<BillingContext, Promise<void>>()

/**
 * Checks the key once for each instance. No request is sent for a key that this or another process has
 * checked before.
 *
 * @throws `other_account`; `provider_unavailable` where Stripe does not answer.
 */
export function requireAccount(ctx: BillingContext): Promise<void> {
  const before = checked.get(ctx)
  if (before) return before
  const now = check(ctx)
  checked.set(ctx, now)
  // A failed check is repeated by the next call, because the key, the row or Stripe may have
  // changed by then.
  now.catch(() => checked.delete(ctx))
  return now
}

async function check(ctx: BillingContext): Promise<void> {
  const { db, livemode } = ctx
  const environment = ctx.appUrl.host
  const keyFingerprint = fingerprintOf(ctx.stripe)
  const noted = await db.stripeAccount.findUnique({ where: { environment } })
  if (noted) requireMode(ctx, noted.livemode)
  if (noted && keyFingerprint !== null && noted.keyFingerprint === keyFingerprint) return
  const stripeAccountId = await accountOf(ctx)
  if (noted) {
    const isKnown = stripeAccountId !== null && noted.stripeAccountId !== null
    if (isKnown && stripeAccountId !== noted.stripeAccountId) {
      throw refused(ctx, stripeAccountId, noted)
    }
    // A restricted key that cannot read its account has to find a customer of ours.
    if (stripeAccountId === null) return requireKnownCustomer(ctx, null)
    const data = {
      keyFingerprint,
      livemode: noted.livemode ?? livemode,
      stripeAccountId: noted.stripeAccountId ?? stripeAccountId,
    }
    await db.stripeAccount.update({ where: { environment }, data })
    return
  }
  await requireKnownCustomer(ctx, stripeAccountId)
  const row = {
    environment,
    stripeAccountId,
    livemode,
    keyFingerprint: stripeAccountId && keyFingerprint,
  }
  await db.stripeAccount.createMany({ data: [row], skipDuplicates: true })
  // Two processes with different keys may insert at the same time. The stored row decides.
  const kept = await db.stripeAccount.findUniqueOrThrow({ where: { environment } })
  if (kept.stripeAccountId !== stripeAccountId) throw refused(ctx, stripeAccountId, kept)
}

/** The id of the key's account. Null: the key may not read it. */
async function accountOf(ctx: BillingContext): Promise<string | null> {
  try {
    return (await ask('account', ctx.stripe.accounts.retrieveCurrent())).id
  } catch (error) {
    if (!isBillingError(error, 'provider_rejected')) throw error
    const message = 'the key may not read its account, so a change of the account cannot be noticed'
    ctx.logger.warn({ error }, message)
    return null
  }
}

/**
 * Throws `other_account` if the key's account does not have our newest customer. Without customers there is
 * nothing to check.
 */
async function requireKnownCustomer(ctx: BillingContext, account: string | null): Promise<void> {
  const newest = await ctx.db.customer.findFirst({
    where: { stripeCustomerId: { not: null } },
    orderBy: { id: 'desc' },
  })
  if (newest?.stripeCustomerId == null) return
  try {
    await ask('customer', ctx.stripe.customers.retrieve(newest.stripeCustomerId))
  } catch (error) {
    if (isMissing(error)) throw refused(ctx, account, { stripeAccountId: null })
    // A key that Stripe refuses for this request fails later, at its actual use.
    if (!isBillingError(error, 'provider_rejected')) throw error
  }
}

function requireMode(ctx: BillingContext, noted: boolean | null): void {
  if (noted === null || ctx.livemode === null || noted === ctx.livemode) return
  const name = (isLive: boolean) => (isLive ? 'live mode' : 'test mode')
  ctx.alert({ code: 'other_account', account: null, noted: null })
  throw new BillingError(
    'other_account',
    `The key of Stripe is for ${name(ctx.livemode)}, but this database holds customers of ${name(noted)}. ${ADVICE}`,
  )
}

const ADVICE =
  'Nothing was changed. Set the right STRIPE_SECRET_KEY, or run pnpm billing account replace to move the ' +
  'database to the account of this key.'

function refused(
  ctx: BillingContext,
  account: string | null,
  { stripeAccountId }: { stripeAccountId: string | null },
): BillingError {
  ctx.alert({ code: 'other_account', account, noted: stripeAccountId })
  const theirs = account ? `the account ${account}` : 'an unknown account'
  const ours = stripeAccountId ? `the account ${stripeAccountId}` : 'another account'
  return new BillingError(
    'other_account',
    `The key of Stripe belongs to ${theirs}, but this database holds customers of ${ours}. ${ADVICE}`,
  )
}

/** The account at Stripe whose customers this database holds. A null member is unknown. */
export interface NotedAccount {
  /** The id `acct_…`; null where a restricted key cannot read it. */
  stripeAccountId: string | null
  /** Whether the key takes real money; null where this was not stored yet. */
  livemode: boolean | null
}

/** The stored account. The contract is in `functions/customers.ts`. */
export async function getAccount(ctx: BillingContext): Promise<NotedAccount | null> {
  const where = { environment: ctx.appUrl.host }
  return ctx.db.stripeAccount.findUnique({
    where,
    select: { stripeAccountId: true, livemode: true },
  })
}

/**
 * Stores the account of the present key in place of the old one, for a person who moves the database to another
 * account.
 * The contract is in `functions/customers.ts`.
 */
export async function replaceAccount(ctx: BillingContext): Promise<NotedAccount> {
  const environment = ctx.appUrl.host
  const { livemode } = ctx
  const stripeAccountId = await accountOf(ctx)
  const row = { stripeAccountId, livemode, keyFingerprint: fingerprintOf(ctx.stripe) }
  await ctx.db.stripeAccount.upsert({
    where: { environment },
    create: { environment, ...row },
    update: row,
  })
  ctx.logger.warn({ stripeAccountId, livemode }, 'replaced the account at Stripe')
  return { stripeAccountId, livemode }
}
