/**
 * Checks that webhooks of Cal.com are refused unless their signature is right.
 *
 * @module
 */

import { randomBytes, randomUUID } from 'node:crypto'
import { isTollgateError } from '@repo/core'
import { type Check, skipped } from '@repo/core/checks'
import type { BillingContext } from '../context.ts'
import { hmacHex } from '../providers/signature.ts'
import { judge, type Open } from './signatures.ts'

/** Whether the host has set Cal.com up, also where its settings are wrong. */
export function hasCalcom(ctx: BillingContext): boolean {
  if (process.env.CALCOM_EVENT_TYPES || process.env.CALCOM_WEBHOOK_SECRET) return true
  try {
    return ctx.calcom !== undefined
  } catch (error) {
    if (isTollgateError(error, 'invalid_environment')) return false
    throw error
  }
}

/** The check of Cal.com's signatures, which cover no time: an old delivery is told by its content. */
export const calcomSignatureCheck = (open: Open): Check => ({
  id: 'billing.calcom-signature',
  async run() {
    const opened = await open()
    if ('why' in opened) return skipped(opened.why)
    const event = (uid: string) =>
      JSON.stringify({
        triggerEvent: 'TOLLGATE_DOCTOR',
        createdAt: new Date().toISOString(),
        payload: { uid },
      })
    const body = event(randomUUID())
    const sign = (secret: string, text: string) => hmacHex(secret, text)
    const { secret } = opened
    return judge(opened, 'Cal.com', body, 'x-cal-signature-256', sign(secret, body), {
      missing: null,
      'of a webhook without a secret': 'no-secret-provided',
      'made with another secret': sign(randomBytes(24).toString('hex'), body),
      'of another body': sign(secret, event(randomUUID())),
    })
  },
})
