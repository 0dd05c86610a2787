/**
 * Products: everything that can be bought, by SKU, with its price and the credits or plan that it brings.
 *
 * @module
 */

import { readEnv } from '@repo/core'
import * as z from 'zod'
import { requireAmount, requireCurrency } from '../amounts.ts'
import { BillingError } from '../errors.ts'
import {
  type PaymentEnvironment,
  PRODUCT_ID_PROVIDERS,
  type ProductIdProvider,
} from '../provider-name.ts'
import { requirePlanKinds, requireProductKinds } from './kinds.ts'
import { type Interval, type Plan, type PlanName, type Plans, planNamed, plans } from './plans.ts'

interface Priced {
  /** The name that people read. */
  name: string
  /** Minor units. */
  amount: number
  /** Lower case. */
  currency: string
  /** Whole credits granted for each payment. Not allowed where the product's plan grants credits itself. */
  credits?: number
  /** The product's ids at providers. The product's environment variable takes precedence. */
  productIds?: Partial<Record<ProductIdProvider, Partial<Record<PaymentEnvironment, string>>>>
}

/** A product is bought once, or, with `plan` and `interval`, as a subscription. */
export type Product = (Priced & { plan?: undefined; interval?: undefined }) | (Priced & SoldPlan)

interface SoldPlan {
  /** The plan that the product sells, by its name in `plans`. */
  plan: string
  /** How often the subscription renews. */
  interval: Interval
}

/** Products by SKU. */
export type Products<Sku extends string = string> = Readonly<Record<Sku, Readonly<Product>>>

/** The SKUs of `products`. */
export type Sku<P extends Products> = Extract<keyof P, string>

/** A product with its SKU. */
export type SoldProduct = Readonly<Product> & Named

interface Named {
  /** The key of the product in `products`. */
  readonly sku: string
}

/**
 * Checks and freezes a set of products.
 *
 * @throws `invalid_options` for a SKU that is not in capitals, an invalid currency, an amount that cannot be charged
 * in it, credits that are not a whole number above 0, a plan without an interval, an interval without a plan, or a
 * plan's interval that two products sell.
 *
 * @example
 * ```ts
 * import { defineProducts } from '@repo/billing'
 *
 * export const products = defineProducts({
 *   CREDITS_100: { name: '100 credits', amount: 900, currency: 'eur', credits: 100 },
 * })
 * ```
 */
export function defineProducts<const P extends Products>(products: P): P {
  requireProductKinds('defineProducts', products)
  const refuse = (why: string) => new BillingError('invalid_options', why)
  const sold = new Set<string>()
  for (const [sku, product] of Object.entries<Product>(products)) {
    if (!/^[A-Z][A-Z0-9_]{0,62}$/.test(sku)) {
      throw refuse(`The SKU ${sku} must begin with A-Z and have up to 63 of A-Z, 0-9 and _.`)
    }
    try {
      if (requireCurrency(product.currency) !== product.currency) throw refuse('capitals')
      requireAmount(product.amount, product.currency)
    } catch {
      throw refuse(
        `${sku}: ${product.amount} ${product.currency} cannot be charged. ` +
          'Give whole minor units and a lower-case currency.',
      )
    }
    const { credits, plan, interval } = product
    if (
      credits !== undefined &&
      !(Number.isSafeInteger(credits) && credits > 0 && credits < 2 ** 31)
    ) {
      const most = 2 ** 31 - 1
      throw refuse(`${sku}: credits must be a whole number from 1 to ${most}, not ${credits}.`)
    }
    if ((plan === undefined) !== (interval === undefined)) {
      throw refuse(`${sku}: plan and interval must be given together.`)
    }
    const term = `${plan} per ${interval}`
    if (plan !== undefined && sold.has(term))
      throw refuse(`${sku}: ${term} is sold by another product, too.`)
    sold.add(term)
  }
  return Object.freeze(products)
}

/**
 * Checks that no payment grants credits twice. A plan with credits grants them for each month that is paid,
 * whichever product sold the plan.
 *
 * @throws `invalid_options` for products that have credits although their plan has some too; names the SKUs.
 */
export function checkProductCredits(products: Products, plans: Plans): void {
  const twice = Object.keys(products).filter((sku) => {
    const { plan, credits } = products[sku] as Product
    return (
      credits !== undefined && plan !== undefined && planNamed(plans, plan)?.credits !== undefined
    )
  })
  if (twice.length === 0) return
  const which = twice.map((sku) => `${sku} (plan ${products[sku]?.plan})`).join(', ')
  const why = `Products whose plan gives credits must not have credits of their own: ${which}.`
  throw new BillingError('invalid_options', why)
}

/**
 * Checks that a product costs what its plan costs. A customer would pay the price at the provider, and the order of
 * the product would not be fulfilled. A product whose plan has no price for the interval sets the price itself.
 *
 * @throws `invalid_options` for products whose price is not their plan's; names the SKUs.
 */
export function checkProductPrices(products: Products, plans: Plans): void {
  const wrong = Object.entries<Product>(products).flatMap(([sku, { plan, interval, ...own }]) => {
    const price = plan !== undefined && planNamed(plans, plan)?.prices?.[interval as Interval]
    if (!price || (price.amount === own.amount && price.currency === own.currency)) return []
    return `${sku} (${own.amount} ${own.currency}, plan ${plan} per ${interval}: ${price.amount} ${price.currency})`
  })
  if (wrong.length === 0) return
  const why =
    'A product that sells a plan must have the price of the plan, as those of planProducts have'
  throw new BillingError('invalid_options', `${why}: ${wrong.join(', ')}.`)
}

/** The SKUs that `planProducts` makes of the plans `P`. */
export type PlanSku<P extends Plans> = {
  [Name in PlanName<P>]: P[Name] extends { prices: infer Prices }
    ? `${SkuName<Uppercase<Name>>}_${Term<Prices>}`
    : never
}[PlanName<P>]

type SkuName<Name extends string> = Name extends `${infer Before}${'-' | '.' | ' '}${infer After}`
  ? `${Before}_${SkuName<After>}`
  : Name

type Term<Prices> =
  | ('month' extends keyof Prices ? 'MONTHLY' : never)
  | ('year' extends keyof Prices ? 'YEARLY' : never)

/**
 * The products that sell `plans`, one for each price, under `<PLAN>_MONTHLY` and `<PLAN>_YEARLY`. Letters become
 * capitals, and other characters than letters and digits become `_`.
 *
 * @throws `invalid_options` for two plans whose products would have the same SKU.
 *
 * @example
 * ```ts
 * import { defineProducts, planProducts, plans } from '@repo/billing'
 *
 * export const products = defineProducts({
 *   ...planProducts(plans),
 *   CREDITS_100: { name: '100 credits', amount: 900, currency: 'eur', credits: 100 },
 * })
 * ```
 */
export function planProducts<const P extends Plans>(plans: P): Products<PlanSku<P>> {
  requirePlanKinds('planProducts', plans)
  const products = soldPlans(plans)
  for (const { sku } of products) requireOnePlan(products, sku)
  return Object.fromEntries(products.map(({ sku, ...product }) => [sku, product]))
}

const TERMS = [
  ['month', 'MONTHLY', 'monthly'],
  ['year', 'YEARLY', 'yearly'],
] as const

/** The products of all prices of plans. Plans with similar names have products of the same SKU. */
const soldPlans = (plans: Plans) =>
  Object.entries<Plan>(plans).flatMap(([plan, { name, prices }]) =>
    TERMS.flatMap(([interval, suffix, word]) => {
      const price = prices?.[interval]
      if (!price) return []
      const { amount, currency } = price
      const sku = `${skuName(plan)}_${suffix}`
      return [{ sku, name: `${name}, ${word}`, amount, currency, plan, interval }]
    }),
  )

/** @throws `invalid_options` for two plans whose products have this SKU; names them. */
function requireOnePlan(products: ReturnType<typeof soldPlans>, sku: string): void {
  const [one, other] = products.filter((each) => each.sku === sku)
  if (!one || !other) return
  const both = `The plans ${one.plan} and ${other.plan} would both be sold as ${sku}`
  throw new BillingError(
    'invalid_options',
    `${both}. Rename one of them, or pass products of your own to createBilling.`,
  )
}

/** A plan's name as the beginning of a SKU. */
function skuName(plan: string): string {
  const name = plan.toUpperCase().replace(/[^A-Z0-9]/g, '_')
  return (/^[A-Z]/.test(name) ? name : `PLAN_${name}`).slice(0, 55)
}

const PACKS = {
  CREDITS_SMALL: { name: '100 credits', amount: 1000, currency: 'usd', credits: 100 },
  CREDITS_LARGE: { name: '1,000 credits', amount: 8000, currency: 'usd', credits: 1000 },
} as const satisfies Products

/**
 * The products of a host that names none: two packs of credits, and each price of its plans. Plans whose products
 * would have the same SKU are left out, because such a host may sell nothing by order; `orderedProduct` refuses them.
 */
export function productsFor(plans: Plans): Products {
  const sold = soldPlans(plans)
  const isOne = (sku: string) => sold.filter((each) => each.sku === sku).length === 1
  const own = sold.filter(({ sku }) => isOne(sku)).map(({ sku, ...product }) => [sku, product])
  return defineProducts<Products>({ ...PACKS, ...Object.fromEntries(own) })
}

/** The default products: two packs of credits, and the paid plans of `plans` per month and per year. */
export const products = defineProducts({ ...PACKS, ...planProducts(plans) })

/**
 * The product of an order.
 *
 * @throws `invalid_options` for a SKU that two of the plans would have, where the host named no products;
 * `product_not_found`.
 */
export function orderedProduct(
  { plans, products, given }: { plans: Plans; products: Products; given: { products: boolean } },
  sku: string,
): SoldProduct {
  if (!given.products) requireOnePlan(soldPlans(plans), sku)
  return productOf(products, sku)
}

/** The product of `sku`. @throws `product_not_found`. */
export function productOf(products: Products, sku: string): SoldProduct {
  const product = Object.hasOwn(products, sku) ? products[sku] : undefined
  if (product) return { ...product, sku }
  throw new BillingError('product_not_found', 'No product has this SKU.')
}

/** The SKU that sells `plan` per `interval`; null where no product does. */
export const skuOfPlan = (products: Products, plan: string, interval: string): string | null =>
  Object.keys(products).find(
    (sku) => products[sku]?.plan === plan && products[sku]?.interval === interval,
  ) ?? null

const variable = (provider: string, env: PaymentEnvironment, sku: string): string =>
  `${provider.toUpperCase()}_${env === 'production' ? 'PROD' : 'TEST'}_${sku}_PRODUCT_ID`

/**
 * The variables that name products at providers: `<PROVIDER>_<PROD|TEST>_<SKU>_PRODUCT_ID`, all optional, such as
 * `STRIPE_TEST_PRO_MONTHLY_PRODUCT_ID`. A host with products of its own lists these in its `.env.example`.
 */
export function productEnv(products: Products) {
  const names = Object.keys(products).flatMap((sku) =>
    PRODUCT_ID_PROVIDERS.flatMap((provider) =>
      (['production', 'test'] as const).map((env) => variable(provider, env, sku)),
    ),
  )
  const id = z
    .string()
    .regex(/^prod_\w+$/, 'must be prod_…')
    .optional()
  return z.object(Object.fromEntries(names.map((name) => [name, id])))
}

/** The id of a product at a provider, from its variable or its definition; null without one. */
export function productIdOf(
  product: SoldProduct,
  provider: ProductIdProvider,
  env: PaymentEnvironment,
): string | null {
  const named = readEnv(productEnv({ [product.sku]: product }))[
    variable(provider, env, product.sku)
  ]
  return named ?? product.productIds?.[provider]?.[env] ?? null
}
