/**
 * Declares the host's plans, products and effects in the database, so that another instance over the same database
 * notices which of them it lacks. Such an instance may be a worker with the package's default jobs, a script,
 * or a command without a configuration. Only an instance with plans, products or effects of its own declares
 * them; the default instance only compares.
 *
 * @module
 */

import { Prisma, queryNamed } from '@repo/db'
import type { Plans } from '../catalog/plans.ts'
import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'

/**
 * The kinds of declarations. `plan_credits` declares how a plan with credits is recognized: by `plan:<name>`,
 * `price:<lookup key>` or `sku:<SKU>`.
 */
export type DeclaredKind = 'plan' | 'price' | 'product' | 'effect' | 'plan_credits'

/**
 * How many days a declaration counts after an instance last made it. Long, because effects that wait lose
 * nothing.
 */
export const DECLARED_DAYS = 30

/** The shortest time between two declarations of one instance. */
const REPEAT_MS = 60_000

type Made = Pick<BillingContext, 'plans' | 'products' | 'effects' | 'credits'>

/** The declarations of an instance, as `<kind>:<name>`. */
export function declarationsOf({ plans, products, effects, credits }: Made): Set<string> {
  const all = new Set<string>()
  const add = (kind: DeclaredKind, names: readonly string[]) => {
    for (const name of names) all.add(`${kind}:${name}`)
  }
  add('plan', Object.keys(plans))
  add('price', Object.values(plans).flatMap(lookupKeysOf))
  add('product', Object.keys(products))
  add('effect', Object.keys(effects))
  if (credits.onLowBalance) add('effect', ['credits.lowBalance'])
  if (credits.topUp) add('effect', ['credits.topUp'])
  for (const [name, plan] of Object.entries(plans)) {
    if (!plan.credits) continue
    const skus = Object.keys(products).filter((sku) => products[sku]?.plan === name)
    add('plan_credits', [`plan:${name}`])
    add(
      'plan_credits',
      lookupKeysOf(plan).map((key) => `price:${key}`),
    )
    add(
      'plan_credits',
      skus.map((sku) => `sku:${sku}`),
    )
  }
  return all
}

const lookupKeysOf = ({ prices }: Plans[string]): string[] =>
  Object.values(prices ?? {}).map(({ lookupKey }) => lookupKey)

const declaredAt = new WeakMap<BillingContext, number>()

/**
 * Declares the host's own instance, once a minute at the most. A failure is only logged, and the next call
 * tries again.
 */
export async function declare(ctx: BillingContext): Promise<void> {
  if (!ctx.isOwn || Date.now() - (declaredAt.get(ctx) ?? 0) < REPEAT_MS) return
  declaredAt.set(ctx, Date.now())
  const all = [...declarationsOf(ctx)].sort()
  const kinds = all.map((each) => each.slice(0, each.indexOf(':')))
  const names = all.map((each) => each.slice(each.indexOf(':') + 1))
  try {
    // Sorted, so that two instances do not deadlock. Each row is updated once an hour at the most.
    const sql = Prisma.sql`
      INSERT INTO "BillingDeclaration" AS d ("kind", "name", "seenAt")
      SELECT "kind", "name", clock_timestamp()
      FROM unnest(${kinds}::text[], ${names}::text[]) AS t("kind", "name")
      ON CONFLICT ("kind", "name") DO UPDATE SET "seenAt" = excluded."seenAt"
      WHERE d."seenAt" < excluded."seenAt" - interval '1 hour'`
    await queryNamed(ctx.db, 'billing.declare', sql)
  } catch (error) {
    declaredAt.delete(ctx)
    ctx.logger.warn({ error }, 'could not declare the plans and effects of billing')
  }
}

/** The declarations of the last thirty days that `ctx` lacks, as `<kind>:<name>`. */
export async function lackingIn(ctx: BillingContext): Promise<string[]> {
  const rows = await ctx.db.$queryRaw<{ declared: string }[]>`
    SELECT "kind" || ':' || "name" AS "declared" FROM "BillingDeclaration"
    WHERE "seenAt" > clock_timestamp() - ${DECLARED_DAYS} * interval '1 day' ORDER BY 1`
  const own = declarationsOf(ctx)
  return rows.flatMap(({ declared }) => (own.has(declared) ? [] : declared))
}

/** Declarations without which an instance writes wrong subscriptions and orders. Everything else can wait. */
const NEEDED = /^(plan|price|product):/

/** Formats missing declarations for people: plans, prices and products first, and five at the most. */
export function inWords(lacking: readonly string[]): string {
  const named = [...lacking].sort((a, b) => Number(NEEDED.test(b)) - Number(NEEDED.test(a)))
  const words = named.map((each) => each.replace(/^price:/, 'lookup key ').replace(':', ' '))
  const more = words.length - 5
  return `${words.slice(0, 5).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** Functions of the host that a job calls, by the job's name. */
const TELLS: Readonly<Record<string, readonly string[]>> = {
  'billing.lowBalance': ['effect:credits.lowBalance', 'effect:credits.topUp'],
  'billing.topUp': ['effect:credits.topUp'],
}

/** Whether a job calls a function of the host that another instance may have. */
export const tellsHost = (job: string): boolean => Object.hasOwn(TELLS, job)

/**
 * Called before a job that calls a function of the host. Throws where another instance has declared that
 * function and this instance lacks it, so that a worker with the function tries the job again.
 *
 * @throws `other_instance`
 */
export async function requireListener(ctx: BillingContext, job: string): Promise<void> {
  await declare(ctx)
  const lacking = await lackingIn(ctx)
  const missing = TELLS[job]?.filter((each) => lacking.includes(each)) ?? []
  if (missing.length === 0) return
  throw new BillingError(
    'other_instance',
    `${job} needs the host's own instance of billing; this instance lacks ${inWords(missing)}.`,
  )
}

/**
 * Called before the jobs of an instance. Throws where an instance that is not the host's own lacks plans,
 * prices or products, and alerts where effects wait for the host's own instance.
 *
 * @throws `other_instance`
 */
export async function requireOwnInstance(ctx: BillingContext): Promise<void> {
  await declare(ctx)
  if (ctx.isOwn) return
  const lacking = await lackingIn(ctx)
  if (lacking.length === 0) return
  if (lacking.some((each) => NEEDED.test(each))) {
    throw new BillingError(
      'other_instance',
      `This worker runs the default instance of billing, which lacks ${inWords(lacking)} of the host's own. ` +
        'Give the worker `config` of tollgate.config.ts, or `jobs` of your createBilling.',
    )
  }
  ctx.alert({ code: 'other_instance', lacking: inWords(lacking) })
}
