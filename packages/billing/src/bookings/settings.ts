/**
 * The settings of Cal.com.
 *
 * @module
 */

import { readEnv } from '@repo/core'
import * as z from 'zod'

/** The settings of Cal.com. */
export interface Calcom {
  /** The URL of the booking pages, which may have a path. Cal.com's own: `https://cal.com`. */
  origin: string
  /** The path of the booking page by event type id, such as `acme/strategy-call`. */
  eventTypes: Readonly<Record<number, string>>
  /** The secret of Cal.com's webhooks, which also signs our booking links. At least 16 characters. */
  webhookSecret: string
}

/** The variables of Cal.com. */
export const calcomEnv = z.object({
  /** The URL of the booking pages. */
  CALCOM_ORIGIN: z.url({ protocol: /^https?$/ }).default('https://cal.com'),
  /** `id=user/slug`, several separated by commas. */
  CALCOM_EVENT_TYPES: z
    .string()
    .regex(/^\d+=[\w./-]+(,\d+=[\w./-]+)*$/, 'must look like 101=acme/strategy-call')
    .transform((list) =>
      Object.fromEntries(
        list.split(',').map((entry) => {
          const [id, path] = entry.split('=') as [string, string]
          return [Number(id), path]
        }),
      ),
    ),
  /** The secret of the webhook. */
  CALCOM_WEBHOOK_SECRET: z.string().min(16),
})

/** The settings in the environment. @throws `invalid_environment` */
export function calcomFromEnv(): Calcom {
  const env = readEnv(calcomEnv)
  return {
    origin: env.CALCOM_ORIGIN,
    eventTypes: env.CALCOM_EVENT_TYPES,
    webhookSecret: env.CALCOM_WEBHOOK_SECRET,
  }
}
