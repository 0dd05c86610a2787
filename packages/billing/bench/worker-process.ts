/** Runs a worker as a host does in production, in a process of its own. */

import { createDb } from '@repo/db'
import { createWorker } from '@repo/jobs'
import { createBilling, createStripe } from '../src/index.ts'
import { serve, settingsOf } from './child.ts'
import { APP_URL, SECRET_KEY } from './life.ts'
import { noMails, silent } from './silent.ts'

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
