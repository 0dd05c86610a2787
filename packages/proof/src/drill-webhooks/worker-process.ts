/** Runs a worker as a host does. */

import { createWorker } from '@repo/jobs'
import { serve, settingsOf } from '../harness/child.ts'
import { silent } from '../harness/silent.ts'
import { createProduct, type ProductSettings } from './product.ts'

const settings = settingsOf<ProductSettings>()
const { db, billing } = createProduct(settings)
const worker = await createWorker({
  databaseUrl: settings.databaseUrl,
  jobs: [billing.jobs],
  cron: billing.cron,
  logger: silent,
  beatMs: 500,
  silentMs: 2_000,
})
serve({}, async () => {
  await worker.stop()
  await db.$disconnect()
})
