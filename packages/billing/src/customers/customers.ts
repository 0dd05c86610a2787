/**
 * Customers: one row per owner, then one customer at Stripe per row.
 *
 * @module
 */

import type { Customer, Db } from '@repo/db'
import type { BillingContext, Owner } from '../context.ts'
import { BillingError, isBillingError } from '../errors.ts'
import { ask } from '../providers/stripe/client.ts'
import { requireAccount } from './account.ts'
import { customerKey, underKey } from './request-keys.ts'

export type LinkedCustomer = Customer & { stripeCustomerId: string }

export const isLinked = (customer: Customer | null): customer is LinkedCustomer =>
  customer !== null && customer.stripeCustomerId !== null

/**
 * The owner's customer, made where it is missing. Called at sign-up and again by everything that
 * needs a customer, so a sign-up while Stripe was away is made good by the first purchase.
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

/** The row of an owner who was seen to have none. Of two calls one makes it. */
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

/** Stripe keeps an idempotency key for a day at least: until then the key finds what was made under it. */
const KEY_LIVES_MS = 23 * 60 * 60_000

/**
 * The owner's customer, made where it is missing, with whoever takes the payments: at Stripe there is one
 * before anything is bought, elsewhere the first purchase makes it. Throws like `ensureCustomer`.
 */
export async function registerCustomer(ctx: BillingContext, ownerId: string): Promise<Customer> {
  if (ctx.provider.name === 'stripe') return ensureCustomer(ctx, ownerId)
  const owner = await ctx.owner(ownerId)
  if (!owner) throw new BillingError('owner_not_found', `There is no owner ${ownerId}.`)
  const found = await ctx.db.customer.findUnique({ where: { ownerId } })
  return found ?? (await makeRow(ctx, ownerId, owner)).row
}

/**
 * One that was made and not linked, because we crashed between, and whose idempotency key has lapsed. Stripe's search
 * ignores case, lags behind and is not available in every country; where it is refused, the customers with the
 * owner's address are listed. Either way only the metadata says whose a customer is.
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
    ctx.logger.warn({ ownerId, error }, 'search is refused, so customers are listed by address')
    return ask('list', ctx.stripe.customers.list({ email, limit: 100 }))
  })
  const named = found.data.filter(({ metadata }) => isOwnersIn(ctx, ownerId, metadata))
  const ids = named.map(({ id }) => id)
  const taken = await takenBy(ctx, ids, row.id)
  const own = named.filter(({ id }) => !taken.has(id))
  // Several: the oldest, which is what the first call has made.
  const [first] = own.sort((a, b) => a.created - b.created)
  return first?.id ?? null
}

/** How far a list is read. A customer that was made moments ago stands at its beginning. */
const NEWEST = 1_000

/** The owner's customer among those that Stripe made last. A list knows of it at once, which search does not. */
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

/** Only the metadata says whose a customer is, letter by letter. */
const isOwnersIn = (
  ctx: BillingContext,
  ownerId: string,
  metadata: Record<string, string>,
): boolean => metadata.ownerId === ownerId && metadata.environment === ctx.appUrl.host

/**
 * Those of `ids` that another customer of ours has or had: an owner's who was forgotten is nobody's any more. `own` is
 * the row that may have them.
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
 * Parallel calls share the key, so Stripe makes one customer and tells all of them about it. What
 * is sent under a key must never differ; name and address may, so they follow in an update. After
 * a deletion the key is another: under the old one Stripe would answer with the deleted customer.
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
        // A request that was answered 500 may have been done all the same.
        const made = refusals > 0 ? await findAmongNewest(ctx, row) : null
        if (made) return made
        return ask('customer', ctx.stripe.customers.create({ metadata }, { idempotencyKey: key }))
      },
    )
  const { id } = await make('')
  // An owner who was forgotten and is there again: under the key Stripe answers with the customer from before.
  const isTaken = (await takenBy(ctx, [id], row.id)).has(id)
  return isTaken ? (await make(`:${row.id}`)).id : id
}

/** What a host says of a customer. */
export interface UpdateCustomerOptions {
  /**
   * Where invoices go instead of to the owner, which for an organization is its first owner. Null: to the owner
   * again. Default: as it was.
   */
  billingEmail?: string | null
}

/**
 * Tells Stripe the owner's present name and address, and those of the organizations that a user owns, because the
 * invoices of an organization go to its first owner. Call it where an address changes, and where the owners of an
 * organization do. Does nothing for an owner it never met.
 *
 * @throws `invalid_input` for an address that is none; `provider_unavailable`, `provider_rejected`.
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

/** Brings name, address and metadata of a customer at Stripe in line with its owner. */
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
 * Lets an organization's customer follow its owner: whoever owned it first may have left, and its invoices would go to
 * them. Asks Stripe for the customer, and changes it only where it differs.
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
 * Writes down that the provider's customer was deleted there, which ends its subscriptions, those the
 * provider no longer tells of included. The history stays; the next purchase makes a new customer.
 * `tx` holds the customer's row.
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
