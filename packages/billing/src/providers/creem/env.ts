/**
 * The environment variables of Creem. A key of the other environment is refused.
 *
 * @module
 */

import { type Environment, readEnv } from '@repo/core'
import * as z from 'zod'
import type { PaymentEnvironment } from '../../provider-name.ts'
import { listed, misconfigured, PAYMENT_ENV } from '../env.ts'

/** The variables of Creem. */
export const creemEnv = z.object({
  /** The key with `PAYMENT_ENV=production`. */
  CREEM_PROD_API_KEY: z
    .string()
    .regex(/^creem_(?!test_)\w+$/, 'must be a live key (creem_… and not creem_test_…)')
    .optional(),
  /** The key with `PAYMENT_ENV=test`. */
  CREEM_TEST_API_KEY: z
    .string()
    .regex(/^creem_test_\w+$/, 'must be a test key (creem_test_…)')
    .optional(),
  /** The webhook's secret with `PAYMENT_ENV=production`, or several separated by commas while one is replaced. */
  CREEM_PROD_WEBHOOK_SECRET: z.string().optional(),
  /** The webhook's secret or secrets with `PAYMENT_ENV=test`. */
  CREEM_TEST_WEBHOOK_SECRET: z.string().optional(),
  /** Another server that speaks Creem's API, such as the local stand-in. Default: Creem. */
  CREEM_API_BASE: z.url({ protocol: /^https?$/ }).optional(),
  PAYMENT_ENV,
})

/** Creem's key and API address in `environment`. @throws `invalid_environment`. */
export function readCreem(environment: PaymentEnvironment, source?: Environment) {
  const env = readEnv(creemEnv, source)
  const [name, apiKey] =
    environment === 'production'
      ? (['CREEM_PROD_API_KEY', env.CREEM_PROD_API_KEY] as const)
      : (['CREEM_TEST_API_KEY', env.CREEM_TEST_API_KEY] as const)
  if (apiKey === undefined) throw misconfigured(`${name} is missing`)
  return { apiKey, apiBase: env.CREEM_API_BASE }
}

/** The signing secrets of Creem's webhooks in `environment`. @throws `invalid_environment`. */
export function readCreemSecrets(environment: PaymentEnvironment, source?: Environment): string[] {
  const env = readEnv(creemEnv, source)
  const [name, secrets] =
    environment === 'production'
      ? (['CREEM_PROD_WEBHOOK_SECRET', env.CREEM_PROD_WEBHOOK_SECRET] as const)
      : (['CREEM_TEST_WEBHOOK_SECRET', env.CREEM_TEST_WEBHOOK_SECRET] as const)
  if (secrets === undefined) throw misconfigured(`${name} is missing`)
  return listed(secrets)
}
