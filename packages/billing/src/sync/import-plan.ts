/**
 * Decides which customers at Stripe belong to which owners. Promise: an owner gets one customer, and a customer goes
 * to an owner only where exactly one owner fits. Everything else is listed for a person. Nothing is written here.
 *
 * @module
 */

import type { BillingContext, Owner } from '../context.ts'
import { ask } from '../providers/stripe/client.ts'

/** What an import goes by. */
export interface ImportMatching {
  /** Owners by Stripe's customer id. They count more than everything else. Default: none. */
  owners?: ReadonlyMap<string, string>
  /**
   * The keys of a customer's metadata that may hold the owner's id. The first key that names an owner counts. Default:
   * `ownerId`, `organizationId` and `userId`.
   */
  metadataKeys?: readonly string[]
  /** Also matches the address of a customer with the proven address of a user. Default false. */
  byEmail?: boolean
}

/** Why an owner gets a customer. */
export type MatchedBy = 'map' | 'metadata' | 'email'

/** Why a customer is left to a person. */
export type ImportConflict =
  | 'several_customers'
  | 'owner_has_other_customer'
  | 'owner_not_found'
  | 'customer_not_found'
  | 'former_customer'

/** A customer at Stripe, as it was listed. */
export interface ListedCustomer {
  id: string
  /** Null: Stripe has none. */
  email: string | null
  /** Whether its metadata names the owner as `tellStripe` writes it. */
  isTold: boolean
}

/** A customer with its owner. */
export interface Match {
  customer: ListedCustomer
  ownerId: string
  owner: Owner
  by: MatchedBy
}

/** A customer that is left to a person. */
export interface Conflict {
  customer: string
  /** Null: no owner is known. */
  ownerId: string | null
  reason: ImportConflict
}

/** The decisions about all customers. */
export interface ImportPlan {
  /** How many customers Stripe has. */
  customers: number
  matches: Match[]
  /** How many customers are linked and synced already. */
  present: number
  /** Stripe's ids of customers for whom no owner is known. */
  unmatched: string[]
  conflicts: Conflict[]
  /** Prices of running subscriptions that are no plan's price. */
  unknownPrices: UnknownPrice[]
}

/** A price that no plan has. Its subscriptions are stored and grant nothing. */
export interface UnknownPrice {
  /** The price's id at Stripe. */
  price: string
  /** Null: the price has no lookup key. */
  lookupKey: string | null
  /** How many running subscriptions have it. */
  subscriptions: number
}

const KEYS = ['ownerId', 'organizationId', 'userId'] as const

/** Lists the customers at Stripe and decides about each. `isOver` stops it; null: it was stopped. */
export async function planImport(
  ctx: BillingContext,
  matching: ImportMatching,
  { isOver, onRead }: { isOver: () => Promise<boolean>; onRead: (customers: number) => void },
): Promise<ImportPlan | null> {
  const { running, unknownPrices } = await runningSubscriptions(ctx)
  const plan: ImportPlan = {
    ...{ customers: 0, matches: [], present: 0, unmatched: [], conflicts: [], unknownPrices },
  }
  const named = new Set(matching.owners?.keys())
  for (let after: string | undefined; ; ) {
    const page = await ask(
      'list',
      ctx.stripe.customers.list({ limit: 100, ...(after ? { starting_after: after } : {}) }),
    )
    for (const { id } of page.data) named.delete(id)
    await planPage(ctx, matching, page.data, plan)
    plan.customers += page.data.length
    onRead(plan.customers)
    if (await isOver()) return null
    after = page.data.at(-1)?.id
    if (!page.has_more || !after) break
  }
  for (const customer of named) {
    const ownerId = matching.owners?.get(customer) ?? null
    plan.conflicts.push({ customer, ownerId, reason: 'customer_not_found' })
  }
  plan.matches = await oneEach(ctx, plan, running)
  return plan
}

/** The customers with a running subscription, and the prices that no plan has. */
async function runningSubscriptions(
  ctx: BillingContext,
): Promise<{ running: Set<string>; unknownPrices: UnknownPrice[] }> {
  const known = new Set(
    Object.values(ctx.plans).flatMap(({ prices }) =>
      Object.values(prices ?? {}).map(({ lookupKey }) => lookupKey),
    ),
  )
  const running = new Set<string>()
  const unknown = new Map<string, UnknownPrice>()
  for (let after: string | undefined; ; ) {
    const page = await ask(
      'list',
      ctx.stripe.subscriptions.list({ limit: 100, ...(after ? { starting_after: after } : {}) }),
    )
    for (const { customer, items } of page.data) {
      running.add(typeof customer === 'string' ? customer : customer.id)
      const prices = items.data.map(({ price }) => price)
      if (prices.some(({ lookup_key: key }) => key !== null && known.has(key))) continue
      for (const { id: price, lookup_key: lookupKey } of prices) {
        const found = unknown.get(price) ?? { price, lookupKey, subscriptions: 0 }
        unknown.set(price, { ...found, subscriptions: found.subscriptions + 1 })
      }
    }
    after = page.data.at(-1)?.id
    if (!page.has_more || !after) break
  }
  return { running, unknownPrices: [...unknown.values()] }
}

/** What is read of a listed customer. */
interface Listed {
  id: string
  email?: string | null
  metadata: Record<string, string>
}

async function planPage(
  ctx: BillingContext,
  matching: ImportMatching,
  listed: readonly Listed[],
  plan: ImportPlan,
): Promise<void> {
  const ids = listed.map(({ id }) => id)
  const rows = await ctx.db.customer.findMany({ where: { stripeCustomerId: { in: ids } } })
  const former = await ctx.db.formerCustomer.findMany({ where: { stripeCustomerId: { in: ids } } })
  const linked = new Map(rows.map((row) => [row.stripeCustomerId, row]))
  const left = new Set(former.map(({ stripeCustomerId }) => stripeCustomerId))
  const byEmail = matching.byEmail ? await usersOf(ctx, listed) : new Map<string, string>()
  await Promise.all(
    listed.map(async (each) => {
      const { id } = each
      const row = linked.get(id)
      // A row that was linked and not synced belongs to an import that was killed in between.
      if (row?.syncedAt) plan.present += 1
      else if (left.has(id))
        plan.conflicts.push({ customer: id, ownerId: null, reason: 'former_customer' })
      else if (row) await match(ctx, plan, each, [{ ownerId: row.ownerId, by: 'metadata' }])
      else await match(ctx, plan, each, candidatesOf(ctx, matching, each, byEmail))
    }),
  )
}

/** An owner's id that may be right. */
interface Candidate {
  ownerId: string
  by: MatchedBy
}

function candidatesOf(
  { appUrl }: BillingContext,
  { owners, metadataKeys = KEYS }: ImportMatching,
  { id, email, metadata }: Listed,
  byEmail: ReadonlyMap<string, string>,
): Candidate[] {
  const mapped = owners?.get(id)
  if (mapped !== undefined) return [{ ownerId: mapped, by: 'map' }]
  const { environment } = metadata
  // Another environment of this app wrote the metadata, and its owners are others.
  const isOurs = environment === undefined || environment === appUrl.host
  const named = isOurs ? metadataKeys.flatMap((key) => metadata[key] || []) : []
  const user = byEmail.get(email?.toLowerCase() ?? '')
  return [
    ...named.map((ownerId): Candidate => ({ ownerId, by: 'metadata' })),
    ...(user === undefined ? [] : [{ ownerId: user, by: 'email' } as const]),
  ]
}

/** The users whose proven address is a customer's. */
async function usersOf(
  { db }: BillingContext,
  listed: readonly Listed[],
): Promise<Map<string, string>> {
  const emails = listed.flatMap(({ email }) => email?.toLowerCase() || [])
  const users = await db.user.findMany({
    where: { email: { in: emails }, emailVerified: true },
    select: { id: true, email: true },
  })
  return new Map(users.map(({ id, email }) => [email, id]))
}

async function match(
  ctx: BillingContext,
  plan: ImportPlan,
  { id, email = null, metadata }: Listed,
  candidates: readonly Candidate[],
): Promise<void> {
  for (const { ownerId, by } of candidates) {
    const owner = await ctx.owner(ownerId)
    if (!owner) continue
    const isTold =
      metadata.ownerId === ownerId &&
      metadata.ownerType === owner.type &&
      metadata.environment === ctx.appUrl.host
    plan.matches.push({ customer: { id, email, isTold }, ownerId, owner, by })
    return
  }
  const [first] = candidates
  if (first === undefined) plan.unmatched.push(id)
  else plan.conflicts.push({ customer: id, ownerId: first.ownerId, reason: 'owner_not_found' })
}

/**
 * One customer for each owner. Of several customers the one of the map is taken, else the only one with a running
 * subscription; if neither decides, all are left to a person.
 */
async function oneEach(
  { db }: BillingContext,
  { matches, conflicts }: ImportPlan,
  running: ReadonlySet<string>,
): Promise<Match[]> {
  const byOwner = new Map<string, Match[]>()
  for (const each of matches) {
    const same = byOwner.get(each.ownerId)
    if (same) same.push(each)
    else byOwner.set(each.ownerId, [each])
  }
  const ids = [...byOwner.keys()]
  const linked = new Map<string, string>()
  for (let at = 0; at < ids.length; at += 1_000) {
    const rows = await db.customer.findMany({
      where: { ownerId: { in: ids.slice(at, at + 1_000) }, stripeCustomerId: { not: null } },
    })
    for (const { ownerId, stripeCustomerId } of rows) linked.set(ownerId, stripeCustomerId ?? '')
  }
  return [...byOwner].flatMap(([ownerId, same]) => {
    const own = linked.get(ownerId)
    const taken =
      own === undefined ? chosen(same, running) : same.filter((each) => each.customer.id === own)
    const reason = own === undefined ? 'several_customers' : 'owner_has_other_customer'
    for (const each of same) {
      if (!taken.includes(each)) conflicts.push({ customer: each.customer.id, ownerId, reason })
    }
    return taken
  })
}

function chosen(same: readonly Match[], running: ReadonlySet<string>): readonly Match[] {
  if (same.length === 1) return same
  for (const those of [
    same.filter(({ by }) => by === 'map'),
    same.filter(({ customer }) => running.has(customer.id)),
  ]) {
    if (those.length === 1) return those
    if (those.length > 1) return []
  }
  return []
}
