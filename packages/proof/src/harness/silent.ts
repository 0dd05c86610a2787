/**
 * A logger that writes nothing and a sender that sends nothing. Masking of log entries and the jobs of mails
 * still run, so benchmarks measure them.
 *
 * @module
 */

import type { BillingOptions } from '@repo/billing'
import type { Logger } from '@repo/core'

const nothing = () => {}

/** Writes nothing. */
export const silent: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }

/** Renders and sends nothing. */
export const noMails: NonNullable<BillingOptions['sender']> = {
  sendEmail: async () => ({ id: 'none', provider: 'none', deduplicated: null }),
}
