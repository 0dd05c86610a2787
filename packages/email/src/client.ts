/**
 * The Resend client, made on first use because the SDK throws without a key.
 *
 * @module
 */

import { lazy, readEnv } from '@repo/core'
import { Resend } from 'resend'
import * as z from 'zod'

/** The environment variables of the Resend client. */
export const resendEnv = z.object({
  /** The API key `re_…`, from the dashboard of Resend. */
  RESEND_API_KEY: z.string().regex(/^re_\w+$/, 'must be re_…'),
  /** The base URL of another server with Resend's API. Default: Resend. */
  RESEND_BASE_URL: z.url({ protocol: /^https?$/ }).optional(),
})

/** The options of `createResend`. */
export interface ResendOptions {
  /** Another server that speaks Resend's API. Default: Resend's. */
  baseUrl?: string
}

/** Creates a client of the official SDK. Nothing is sent until one of its methods is called. */
export function createResend(apiKey: string, options: ResendOptions = {}): Resend {
  return new Resend(apiKey, options.baseUrl ? { baseUrl: options.baseUrl } : {})
}

/** The client of this process, made from the environment on first use. */
export const resend: Resend = lazy(() => {
  const env = readEnv(resendEnv)
  return createResend(
    env.RESEND_API_KEY,
    env.RESEND_BASE_URL ? { baseUrl: env.RESEND_BASE_URL } : {},
  )
})
