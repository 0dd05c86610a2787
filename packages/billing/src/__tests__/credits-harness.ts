/** The ledger on a real database, with a clock to move and nothing of a provider. */

import { randomUUID } from 'node:crypto'
import { createTestClock, createTestLogger } from '@repo/core/testing'
import { createTestDatabase, type TestPostgres } from '@repo/db/testing'
import { type BillingOptions, createBilling } from '../index.ts'

export const DAY = 24 * 60 * 60 * 1000

export async function createLedger(postgres: TestPostgres, options: BillingOptions = {}) {
  const database = await createTestDatabase(postgres)
  const { db } = database
  const clock = createTestClock('2030-01-01T00:00:00Z')
  const logger = createTestLogger()
  const settings: BillingOptions = { db, logger, clock, appUrl: 'http://localhost', ...options }
  const billing = createBilling(settings)
  let keys = 0
  return {
    db,
    clock,
    logger,
    settings,
    billing,
    databaseUrl: database.url,
    /** An owner nobody has met, with so many credits in one lot. */
    async owner(credits = 0) {
      const ownerId = randomUUID()
      if (credits > 0) await billing.grantCredits(ownerId, credits, { idempotencyKey: 'first' })
      return ownerId
    },
    /** A key nobody has used. */
    key() {
      keys += 1
      return `key-${keys}`
    },
    /** What is left of each lot, the oldest first. */
    async lots(ownerId: string) {
      const rows = await db.creditGrant.findMany({ where: { ownerId }, orderBy: { id: 'asc' } })
      return rows.map(({ remaining }) => Number(remaining))
    },
    /** The ledger, the oldest first: type and amount. */
    async rows(ownerId: string) {
      const rows = await db.creditTransaction.findMany({
        where: { ownerId },
        orderBy: { id: 'asc' },
      })
      return rows.map(({ type, amount }) => `${type} ${amount}`)
    },
    close: () => database.drop(),
  }
}

export type Ledger = Awaited<ReturnType<typeof createLedger>>
