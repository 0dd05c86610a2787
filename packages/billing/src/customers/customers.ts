/**
 * Customers. Promise: an owner has one row, and a row has one customer at Stripe.
 *
 * @module
 */

import type { Db } from '@repo/db'
import type { BillingContext, Owner } from '../context.ts'
import { BillingError, isBillingError } from '../errors.ts'
import { hasCustomerSync } from '../provider-name.ts'
import { ask } from '../providers/stripe/client.ts'
import type { Customer } from '../rows.ts'
import { requireAccount } from './account.ts'
import { customerKey, underKey } from './request-keys.ts'

/** A customer's row with the id of its customer at Stripe. */
export type LinkedCustomer = Customer & { stripeCustomerId: string }

/** Whether the row has a customer at Stripe. */
export const isLinked = (customer: Customer | null): customer is LinkedCustomer =>
  customer !== null && customer.stripeCustomerId !== null

/**
 * Returns the owner's customer, and creates it if it is missing. Sign-up and every function that needs a
 * customer call this, so the first purchase makes up for a sign-up while Stripe was unavailable.
 *
 * @throws `owner_not_found`, `provider_unavailable`, `provider_rejected`.
 */
export async function ensureCustomer(
  ctx: BillingContext,
  ownerId: string,
): Promise<LinkedCustomer> {
  const found = await ctx.db.customer.findUnique({ where: { ownerId } })
  if (isLinked(found)) return found
  const owner = await ctx.owner(ownerId)
  if (!owner) throw new BillingError('owner_not_found', `There is no owner ${ownerId}.`)

  await requireAccount(ctx)
  const { row, isNew } = found ? { row: found, isNew: false } : await makeRow(ctx, ownerId, owner)
  const mayBeLost = !isNew && Date.now() - row.createdAt.getTime() > KEY_LIVES_MS
  const lost = mayBeLost ? await findAtStripe(ctx, row, owner) : null
  const stripeCustomerId = lost ?? (await create(ctx, row, owner))
  await tellStripe(ctx, { ...row, stripeCustomerId }, owner)
  const [written] = await ctx.db.customer.updateManyAndReturn({
    where: { id: row.id, stripeCustomerId: null },
    data: { stripeCustomerId },
  })
  const linked = written ?? (await ctx.db.customer.findUniqueOrThrow({ where: { ownerId } }))
  return { ...linked, stripeCustomerId: linked.stripeCustomerId ?? stripeCustomerId }
}

/** Creates the row of an owner without one. Of two concurrent calls only one creates it, and both return it. */
export async function makeRow(
  { db }: Pick<BillingContext, 'db'>,
  ownerId: string,
  { type: ownerType }: Pick<Owner, 'type'>,
): Promise<{ row: Customer; isNew: boolean }> {
  const data = [{ ownerId, ownerType }]
  const [made] = await db.customer.createManyAndReturn({ data, skipDuplicates: true })
  const row = made ?? (await db.customer.findUniqueOrThrow({ where: { ownerId } }))
  return { row, isNew: made !== undefined }
}

/** Stripe keeps an idempotency key for a day at least. Until then a repeated request returns the same customer. */
const KEY_LIVES_MS = 23 * 60 * 60_000

/** Returns the owner's row, and creates it if it is missing. The contract is in `functions/customers.ts`. */
export async function registerCustomer(ctx: BillingContext, ownerId: string): Promise<Customer> {
  if (hasCustomerSync(ctx.provider.name)) return ensureCustomer(ctx, ownerId)
  const owner = await ctx.owner(ownerId)
  if (!owner) throw new BillingError('owner_not_found', `There is no owner ${ownerId}.`)
  const found = await ctx.db.customer.findUnique({ where: { ownerId } })
  return found ?? (await makeRow(ctx, ownerId, owner)).row
}

/**
 * Finds a customer at Stripe that was created but not linked because of a crash, and whose idempotency key
 * has expired. Stripe's search ignores case, lags behind and is not available in every country; if it is
 * refused, customers with the owner's address are listed. In both cases the metadata decides whose customer
 * it is.
 */
async function findAtStripe(
  ctx: BillingContext,
  row: Customer,
  { email }: Owner,
): Promise<string | null> {
  const { ownerId } = row
  const quote = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  const query = [
    `metadata['ownerId']:${quote(ownerId)}`,
    `metadata['environment']:${quote(ctx.appUrl.host)}`,
  ].join(' AND ')
  const found = await ask(
    'search_result',
    ctx.stripe.customers.search({ query, limit: 100 }),
  ).catch((error: unknown) => {
    if (!isBillingError(error, 'provider_rejected')) throw error
    ctx.logger.warn(
      { ownerId, error },
      'Stripe refused a search, so customers are listed by address',
    )
    return ask('list', ctx.stripe.customers.list({ email, limit: 100 }))
  })
  const named = found.data.filter(({ metadata }) => isOwnersIn(ctx, ownerId, metadata))
  const ids = named.map(({ id }) => id)
  const taken = await takenBy(ctx, ids, row.id)
  const own = named.filter(({ id }) => !taken.has(id))
  // If there are several customers, the oldest is taken, because the first call has created it.
  const [first] = own.sort((a, b) => a.created - b.created)
  return first?.id ?? null
}

/** How many customers of a list are read. A customer that was created moments ago is at its beginning. */
const NEWEST = 1_000

/**
 * Finds the owner's customer among the newest customers at Stripe. A list shows a new customer at once, which
 * a search does not.
 */
async function findAmongNewest(ctx: BillingContext, row: Customer): Promise<{ id: string } | null> {
  const gte = Math.floor(row.createdAt.getTime() / 1000) - 3_600
  const own: { id: string; created: number }[] = []
  let starting_after: string | undefined
  for (let seen = 0; seen < NEWEST; ) {
    const page = await ask(
      'list',
      ctx.stripe.customers.list({
        created: { gte },
        limit: 100,
        ...(starting_after ? { starting_after } : {}),
      }),
    )
    own.push(...page.data.filter(({ metadata }) => isOwnersIn(ctx, row.ownerId, metadata)))
    seen += page.data.length
    starting_after = page.data.at(-1)?.id
    if (!page.has_more || !starting_after) break
  }
  const taken = await takenBy(
    ctx,
    own.map(({ id }) => id),
    row.id,
  )
  const [first] = own.filter(({ id }) => !taken.has(id)).sort((a, b) => a.created - b.created)
  return first ?? null
}

/** Whether the metadata names this owner and environment, compared with case. */
const isOwnersIn = (
  ctx: BillingContext,
  ownerId: string,
  metadata: Record<string, string>,
): boolean => metadata.ownerId === ownerId && metadata.environment === ctx.appUrl.host

/**
 * The ids that another row of ours has, or that any row had before it was unlinked. `own` is the row that may
 * have them now.
 */
async function takenBy(ctx: BillingContext, ids: string[], own: string): Promise<Set<string>> {
  if (ids.length === 0) return new Set()
  const rows = await ctx.db.$queryRaw<{ id: string }[]>`
    SELECT "stripeCustomerId" AS "id" FROM "Customer"
    WHERE "stripeCustomerId" = ANY (${ids}) AND "id" <> ${own}
    UNION ALL SELECT "stripeCustomerId" FROM "FormerCustomer" WHERE "stripeCustomerId" = ANY (${ids})`
  return new Set(rows.map(({ id }) => id))
}

/**
 * Creates the customer at Stripe. Parallel calls share an idempotency key, so Stripe creates one customer and
 * returns it to all of them. Requests under one key must be equal, so name and address, which may differ,
 * follow in an update. After a deletion the key is another, because under the old key Stripe would return the
 * deleted customer.
 */
async function create(ctx: BillingContext, row: Customer, owner: Owner): Promise<string> {
  const { ownerId, unlinkedAt } = row
  const environment = ctx.appUrl.host
  const generation = unlinkedAt ? `:${unlinkedAt.getTime()}` : ''
  const metadata = { ownerId, ownerType: owner.type, environment }
  const make = (key: string) =>
    underKey(
      ctx,
      `${customerKey(environment, ownerId)}${generation}${key}`,
      async (key, refusals) => {
        // A request that was answered with 500 may have been executed nevertheless.
        const made = refusals > 0 ? await findAmongNewest(ctx, row) : null
        if (made) return made
        return ask('customer', ctx.stripe.customers.create({ metadata }, { idempotencyKey: key }))
      },
    )
  const { id } = await make('')
  // A forgotten owner has come back, and Stripe has returned the former customer under the same
  // key.
  const isTaken = (await takenBy(ctx, [id], row.id)).has(id)
  return isTaken ? (await make(`:${row.id}`)).id : id
}

/** The options of `updateCustomer`. */
export interface UpdateCustomerOptions {
  /**
   * The address for invoices in place of the owner's. An organization's own address is that of its first
   * owner. Null: the owner's address again. Default: unchanged.
   */
  billingEmail?: string | null
}

/**
 * Updates name and address of the owner's customer at Stripe, and of the organizations that the user owns, because
 * an organization's invoices go to its first owner.
 * The contract is in `functions/customers.ts`.
 */
export async function updateCustomer(
  ctx: BillingContext,
  ownerId: string,
  { billingEmail }: UpdateCustomerOptions = {},
): Promise<void> {
  if (billingEmail !== undefined) {
    requireAddress(billingEmail)
    const customer = await registerCustomer(ctx, ownerId)
    await ctx.db.customer.update({ where: { id: customer.id }, data: { billingEmail } })
  }
  await tell(ctx, ownerId)
  const owned = await ctx.db.member.findMany({
    where: { userId: ownerId, role: 'OWNER' },
    select: { organizationId: true },
  })
  for (const { organizationId } of owned) await tell(ctx, organizationId)
}

function requireAddress(email: string | null): void {
  if (email === null || (email.length <= 254 && /^[^\s@]+@[^\s@]+$/.test(email))) return
  throw new BillingError('invalid_input', 'billingEmail must be an e-mail address.')
}

async function tell(ctx: BillingContext, ownerId: string): Promise<void> {
  const [row, owner] = await Promise.all([
    ctx.db.customer.findUnique({ where: { ownerId } }),
    ctx.owner(ownerId),
  ])
  if (isLinked(row) && owner) await tellStripe(ctx, row, owner)
}

/** Updates name, address and metadata of a customer at Stripe from its owner. */
export async function tellStripe(
  ctx: BillingContext,
  { ownerId, stripeCustomerId, billingEmail }: LinkedCustomer,
  owner: Owner,
): Promise<void> {
  await requireAccount(ctx)
  await ask(
    'customer',
    ctx.stripe.customers.update(stripeCustomerId, {
      email: billingEmail ?? owner.email,
      name: owner.name,
      metadata: { ownerId, ownerType: owner.type, environment: ctx.appUrl.host },
    }),
  )
}

/**
 * Updates an organization's customer at Stripe if its name or address differs from the owner's. The first
 * owner may have left, and would otherwise keep getting the invoices.
 */
export async function followOwner(ctx: BillingContext, customer: LinkedCustomer): Promise<void> {
  if (customer.ownerType !== 'organization' || customer.forgottenAt !== null) return
  const owner = await ctx.owner(customer.ownerId)
  if (!owner) return
  const told = await ask('customer', ctx.stripe.customers.retrieve(customer.stripeCustomerId))
  if (told.deleted) return
  const isSame = told.email === (customer.billingEmail ?? owner.email) && told.name === owner.name
  if (!isSame) await tellStripe(ctx, customer, owner)
}

/**
 * Unlinks a customer that was deleted at Stripe, and ends all its subscriptions at Stripe, also those that
 * Stripe no longer lists. The history stays, and the next purchase creates a new customer. `tx` holds the
 * customer's row.
 */
export async function unlinkCustomer(
  ctx: BillingContext,
  tx: Db,
  customer: LinkedCustomer,
): Promise<void> {
  const { count } = await tx.customer.updateMany({
    where: { id: customer.id, stripeCustomerId: customer.stripeCustomerId },
    data: {
      stripeCustomerId: null,
      unlinkedAt: new Date(),
      formerStripeIds: { push: customer.stripeCustomerId },
    },
  })
  if (count === 0) return
  await tx.formerCustomer.createMany({
    data: [{ stripeCustomerId: customer.stripeCustomerId, customerId: customer.id }],
    skipDuplicates: true,
  })
  await tx.subscription.updateMany({
    where: {
      customerId: customer.id,
      provider: 'stripe',
      status: { notIn: ['canceled', 'incomplete_expired'] },
    },
    data: { status: 'canceled', endedAt: ctx.clock.now() },
  })
  await tx.checkoutSession.updateMany({
    where: { customerId: customer.id },
    data: { status: 'closed' },
  })
  ctx.logger.warn({ ownerId: customer.ownerId }, 'customer deleted at the provider')
}
