/** Runs a worker as a host does in production, in a process of its own. */

import { createBilling, createStripe } from '@repo/billing'
import { createDb } from '@repo/db'
import { createWorker } from '@repo/jobs'
import { serve, settingsOf } from '../harness/child.ts'
import { noMails, silent } from '../harness/silent.ts'
import { APP_URL, SECRET_KEY } from './life.ts'

export interface WorkerSettings {
  databaseUrl: string
  stripeUrl: string
}

const { databaseUrl, stripeUrl } = settingsOf<WorkerSettings>()
const db = createDb(databaseUrl)
const billing = createBilling({
  db,
  stripe: createStripe(SECRET_KEY, { apiBase: stripeUrl }),
  appUrl: APP_URL,
  logger: silent,
  sender: noMails,
})
const worker = await createWorker({ databaseUrl, jobs: [billing.jobs], logger: silent })
serve({}, async () => {
  await worker.stop()
  await db.$disconnect()
})
