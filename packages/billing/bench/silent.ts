/**
 * What a host puts in and a benchmark leaves out: the mask of `createLogger` runs, and nothing is
 * written; a mail's job runs, and nothing is rendered or sent.
 *
 * @module
 */

import type { Logger } from '@repo/core'
import type { BillingOptions } from '../src/index.ts'

const nothing = () => {}

export const silent: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }

export const noMails: NonNullable<BillingOptions['sender']> = {
  sendEmail: async () => ({ id: 'none', provider: 'none', deduplicated: null }),
}
