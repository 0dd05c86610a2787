/**
 * The limit of a first webhook: Stripe's own check of the signature, and one INSERT over the bare driver.
 *
 * @module
 */

import { finish, measured, settings } from './measure.ts'
import type { WebhookSettings } from './settings.ts'

const given = settings<WebhookSettings>()
const imported = await measured(async () => {
  const { default: Stripe } = await import('stripe')
  const { default: pg } = await import('pg')
  return { Stripe, pg }
})
const { Stripe, pg } = imported.result
const first = await measured(async () => {
  const event = Stripe.webhooks.constructEvent(given.payload, given.signature, given.secret)
  const pool = new pg.Pool({
    connectionString: given.url,
    options: '-c tollgate.system=on -c TimeZone=UTC',
  })
  const { rowCount } = await pool.query(
    `INSERT INTO "WebhookEvent" ("provider", "eventId", "type", "payload", "status")
     VALUES ('stripe', $1, $2, $3, 'ignored')`,
    [event.id, event.type, given.payload],
  )
  return rowCount
})
if (first.result !== 1) throw new Error('The event was not stored.')
finish({ import: imported.part, first: first.part })
