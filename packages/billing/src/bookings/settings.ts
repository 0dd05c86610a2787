/**
 * Where the booking pages at Cal.com are.
 *
 * @module
 */

import { readEnv } from '@repo/core'
import { z } from 'zod'

export interface Calcom {
  /** Where the booking pages are; may have a path. Hosted: `https://cal.com`. */
  origin: string
  /** Event type id → the path of its page: `acme/strategy-call`. */
  eventTypes: Readonly<Record<number, string>>
  /** Signs webhooks; also the key of our references. At least 16 characters. */
  webhookSecret: string
}

export const calcomEnv = z.object({
  /** Where the booking pages are. */
  CALCOM_ORIGIN: z.url({ protocol: /^https?$/ }).default('https://cal.com'),
  /** `id=user/slug`, several with commas between. */
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
  CALCOM_WEBHOOK_SECRET: z.string().min(16),
})

export function calcomFromEnv(): Calcom {
  const env = readEnv(calcomEnv)
  return {
    origin: env.CALCOM_ORIGIN,
    eventTypes: env.CALCOM_EVENT_TYPES,
    webhookSecret: env.CALCOM_WEBHOOK_SECRET,
  }
}
