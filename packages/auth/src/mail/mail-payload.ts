/**
 * The payload of the job that sends a mail.
 *
 * @module
 */

import * as z from 'zod'

/** The payload of the job. `key` is the idempotency key; `sealed` is the encrypted request. */
export const mail = z.discriminatedUnion('mail', [
  z.object({
    key: z.string(),
    mail: z.enum(['confirm', 'reset', 'sign-up', 'link', 'account']),
    sealed: z.string(),
  }),
  z.object({ key: z.string(), mail: z.literal('invite'), invitationId: z.string() }),
])
/** A parsed payload. */
export type Mail = z.output<typeof mail>
