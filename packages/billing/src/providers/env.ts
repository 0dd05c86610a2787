/**
 * The environment variables that choose the provider, its environment and its keys. A key of the other environment
 * is refused wherever it is read.
 *
 * @module
 */

import { type Environment, isProduction, readEnv, TollgateError } from '@repo/core'
import * as z from 'zod'
import { type PaymentEnvironment, PROVIDER_NAMES, type ProviderName } from '../provider-name.ts'

/** The variable that selects the environment. */
export const PAYMENT_ENV = z.enum(['production', 'test']).optional()

/** The variables that choose the provider and its environment. */
export const paymentEnv = z.object({
  /** The provider that takes payments. Default: the provider that has a key, and Stripe where several have; see `PAYMENT_ENV`. */
  PAYMENT_PROVIDER: z.enum(PROVIDER_NAMES).optional(),
  /**
   * Selects keys, webhook secrets and product ids. With `test` and no key the local provider takes the payments.
   * Default: the mode of `STRIPE_SECRET_KEY`, else `test`.
   */
  PAYMENT_ENV,
})

const stripeKey = (mode: 'live' | 'test', word: string) =>
  z
    .string()
    .regex(new RegExp(`^(sk|rk)_${mode}_\\w+$`), `must be a ${word} key`)
    .optional()

const stripeFields = z.object({
  /** A secret or a restricted key. Takes precedence over the two keys below. */
  STRIPE_SECRET_KEY: z
    .string()
    .regex(/^(sk|rk)_(test|live)_\w+$/, 'must be a secret (sk_…) or restricted (rk_…) key')
    .optional(),
  /** The key with `PAYMENT_ENV=production`. */
  STRIPE_PROD_API_KEY: stripeKey('live', 'live (sk_live_…)'),
  /** The key with `PAYMENT_ENV=test`. */
  STRIPE_TEST_API_KEY: stripeKey('test', 'test (sk_test_…)'),
  /** Another server that speaks Stripe's API, such as the local stand-in. Default: Stripe. */
  STRIPE_API_BASE: z.url({ protocol: /^https?$/ }).optional(),
  PAYMENT_ENV,
})

type StripeFields = Partial<z.output<typeof stripeFields>>

const isLive = (key: string): boolean => /^[sr]k_live_/.test(key)

/** The environment that `PAYMENT_ENV` names or the key's mode implies. Also works on fields that did not validate. */
const stripeEnvironment = (env: StripeFields): PaymentEnvironment =>
  env.PAYMENT_ENV ??
  (env.STRIPE_SECRET_KEY && isLive(env.STRIPE_SECRET_KEY) ? 'production' : 'test')

const stripeKeyOf = (env: StripeFields): string | undefined =>
  env.STRIPE_SECRET_KEY ??
  (stripeEnvironment(env) === 'production' ? env.STRIPE_PROD_API_KEY : env.STRIPE_TEST_API_KEY)

/** Refinements run even if a field is invalid, so that one error lists every problem. */
const always = { when: () => true }

/** The variables of Stripe's API. */
export const stripeEnv = stripeFields
  .refine((env) => stripeKeyOf(env) !== undefined, { ...always, path: ['STRIPE_SECRET_KEY'] })
  .refine(
    (env) =>
      env.PAYMENT_ENV === undefined ||
      typeof env.STRIPE_SECRET_KEY !== 'string' ||
      isLive(env.STRIPE_SECRET_KEY) === (env.PAYMENT_ENV === 'production'),
    {
      ...always,
      path: ['STRIPE_SECRET_KEY'],
      error: 'does not match PAYMENT_ENV: production needs a live key, test needs a test key',
    },
  )

/** Stripe's key, API address and environment. @throws `invalid_environment`. */
export function readStripe(source?: Environment) {
  const env = readEnv(stripeEnv, source)
  return {
    secretKey: stripeKeyOf(env) as string,
    apiBase: env.STRIPE_API_BASE,
    environment: stripeEnvironment(env),
  }
}

const secret = z
  .string()
  .regex(/^\s*whsec_\w+(\s*,\s*whsec_\w+)*\s*$/, 'must be whsec_…')
  .optional()

const stripeSecretFields = z.object({
  /**
   * One signing secret, or several separated by commas while one is replaced. Takes precedence over the two secrets
   * below.
   */
  STRIPE_WEBHOOK_SECRET: secret,
  /** The secret with `PAYMENT_ENV=production`. */
  STRIPE_PROD_WEBHOOK_SECRET: secret,
  /** The secret with `PAYMENT_ENV=test`. */
  STRIPE_TEST_WEBHOOK_SECRET: secret,
  STRIPE_SECRET_KEY: z.string().optional(),
  PAYMENT_ENV,
})

const stripeSecretOf = (env: Partial<z.output<typeof stripeSecretFields>>): string | undefined =>
  env.STRIPE_WEBHOOK_SECRET ??
  (stripeEnvironment(env) === 'production'
    ? env.STRIPE_PROD_WEBHOOK_SECRET
    : env.STRIPE_TEST_WEBHOOK_SECRET)

/** The variables of Stripe's webhooks. */
export const stripeWebhookEnv = stripeSecretFields.refine(
  (env) => stripeSecretOf(env) !== undefined,
  { ...always, path: ['STRIPE_WEBHOOK_SECRET'] },
)

/** The signing secrets of Stripe's webhooks. @throws `invalid_environment`. */
export const readStripeSecrets = (source?: Environment): string[] =>
  listed(stripeSecretOf(readEnv(stripeWebhookEnv, source)) as string)

/** The provider that takes payments, and its environment. */
export interface PaymentChoice {
  provider: ProviderName
  environment: PaymentEnvironment
}

/**
 * Chooses the provider and its environment from the variables in `source`. `given` stands for a Stripe client that
 * the host passed in place of variables, and says whether its money is real.
 *
 * @throws `invalid_environment`, also for the local provider in production.
 */
export function readPayments(
  source: Environment = process.env,
  given: { livemode: boolean | null } | null = null,
): PaymentChoice {
  const env = readEnv(paymentEnv, source)
  const has = (...names: string[]) => names.some((name) => source[name])
  const fits = env.PAYMENT_ENV === 'production' ? 'PROD' : 'TEST'
  const hasStripe = given !== null || has('STRIPE_SECRET_KEY', `STRIPE_${fits}_API_KEY`)
  const provider =
    env.PAYMENT_PROVIDER ??
    (hasStripe
      ? 'stripe'
      : has(`CREEM_${fits}_API_KEY`) // #creem
        ? 'creem' // #creem
        : env.PAYMENT_ENV === 'test'
          ? 'local'
          : 'stripe')
  const key = provider === 'stripe' ? source.STRIPE_SECRET_KEY : undefined
  const environment = stripeEnvironment({ ...env, STRIPE_SECRET_KEY: key })
  if (provider === 'stripe' && given !== null) {
    return { provider, environment: given.livemode ? 'production' : 'test' }
  }
  if (provider === 'stripe') return { provider, environment }
  const isReal = environment === 'production' || (!env.PAYMENT_ENV && isProduction(source))
  if (provider === 'local' && isReal) {
    throw misconfigured(
      'PAYMENT_PROVIDER: local takes no money, so it cannot be used in production',
    )
  }
  return { provider, environment }
}

/** The secrets in a list that commas separate. */
export const listed = (secrets: string): string[] =>
  secrets.split(',').flatMap((each) => each.trim() || [])

/** An error about a line of the environment. */
export const misconfigured = (line: string): TollgateError =>
  new TollgateError(
    'invalid_environment',
    500,
    `The environment is not complete (see .env.example):\n  ${line}`,
  )
