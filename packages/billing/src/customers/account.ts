/**
 * The account at Stripe whose customers the database holds. Promise: a key of another account, or of the other mode,
 * is refused at its first use, before anything is asked about a customer. With such a key Stripe knows none of our
 * customers, and every plan would look as if it had ended.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { BillingError, isBillingError } from '../errors.ts'
import { ask, fingerprintOf, isMissing } from '../providers/stripe/client.ts'

const checked = new WeakMap<BillingContext, Promise<void>>()

/**
 * Checks the key once for each instance. A key that was checked before, also by another process, asks Stripe nothing.
 *
 * @throws `other_account`; `provider_unavailable` where Stripe cannot say whose the key is.
 */
export function requireAccount(ctx: BillingContext): Promise<void> {
  const before = checked.get(ctx)
  if (before) return before
  const now = check(ctx)
  checked.set(ctx, now)
  // Asked again next time: the key, the row or Stripe may be another one by then.
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
    // A key that may not say whose it is has to know our customers.
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
  // Two processes with two keys may have come at once: the row that is there decides.
  const kept = await db.stripeAccount.findUniqueOrThrow({ where: { environment } })
  if (kept.stripeAccountId !== stripeAccountId) throw refused(ctx, stripeAccountId, kept)
}

/** Null: the key may not ask for it. */
async function accountOf(ctx: BillingContext): Promise<string | null> {
  try {
    return (await ask('account', ctx.stripe.accounts.retrieveCurrent())).id
  } catch (error) {
    if (!isBillingError(error, 'provider_rejected')) throw error
    const message = 'the key may not read its account, so a change of the account is not noticed'
    ctx.logger.warn({ error }, message)
    return null
  }
}

/** A database that has customers is noted as an account's only where that account knows the newest of them. */
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
    // A key that Stripe refuses altogether fails with what it is used for.
    if (!isBillingError(error, 'provider_rejected')) throw error
  }
}

function requireMode(ctx: BillingContext, noted: boolean | null): void {
  if (noted === null || ctx.livemode === null || noted === ctx.livemode) return
  const name = (isLive: boolean) => (isLive ? 'live mode' : 'test mode')
  ctx.alert({ code: 'other_account', account: null, noted: null })
  throw new BillingError(
    'other_account',
    `The key at Stripe is for ${name(ctx.livemode)}, and this database holds customers of ${name(noted)}. ${ADVICE}`,
  )
}

const ADVICE =
  'Nothing was changed. Set the right STRIPE_SECRET_KEY; if the database is meant to move, run pnpm billing account replace.'

function refused(
  ctx: BillingContext,
  account: string | null,
  { stripeAccountId }: { stripeAccountId: string | null },
): BillingError {
  ctx.alert({ code: 'other_account', account, noted: stripeAccountId })
  const theirs = account ?? 'that is not known'
  const ours = stripeAccountId ?? 'another account'
  return new BillingError(
    'other_account',
    `The key at Stripe is of the account ${theirs}, and this database holds customers of ${ours}. ${ADVICE}`,
  )
}

/** The account at Stripe that this database is held against. */
export interface NotedAccount {
  stripeAccountId: string | null
  livemode: boolean | null
}

/** The account that is noted. Null: none yet. */
export async function getAccount(ctx: BillingContext): Promise<NotedAccount | null> {
  const where = { environment: ctx.appUrl.host }
  return ctx.db.stripeAccount.findUnique({
    where,
    select: { stripeAccountId: true, livemode: true },
  })
}

/**
 * Notes the account of the present key in the place of the one that was noted. For a person who moves a database to
 * another account: customers that the new account does not know are reported by the next sync of each.
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
  ctx.logger.warn({ stripeAccountId, livemode }, 'account replaced')
  return { stripeAccountId, livemode }
}
