import { createWorker } from '@repo/jobs'
import { auth, billing } from './lib/tollgate.ts'

const worker = await createWorker({
  databaseUrl: process.env.DATABASE_URL ?? '',
  jobs: [auth.jobs, billing.jobs],
  cron: [...auth.cron, ...billing.cron],
})
console.log('The worker runs: mails are sent, and webhooks are processed.')
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    await worker.stop()
    process.exit(0)
  })
}
