import { createWorker } from '@repo/jobs'
import { auth, billing } from './lib/tollgate.ts'

const worker = await createWorker({
  databaseUrl: process.env.DATABASE_URL ?? '',
  jobs: [auth.jobs, billing.jobs],
  cron: [...auth.cron, ...billing.cron],
})
console.log('The worker runs: mails are sent, and webhooks are processed.')

// A terminal and a package manager both send the signal: the second must not cut off the first.
let isStopping = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, async () => {
    if (isStopping) return
    isStopping = true
    await worker.stop()
    process.exit(0)
  })
}
