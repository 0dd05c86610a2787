/** A worker in a process of its own that takes a job, says so, and never finishes it. */

import { defineJob } from '@repo/core'
import { createTestLogger } from '@repo/core/testing'
import { createWorker } from '../index.ts'

const stuck = defineJob({
  name: 'stuck',
  parse: (payload) => payload as { n: number },
  run: () => {
    process.stdout.write('taken\n')
    return new Promise(() => {})
  },
})

await createWorker({
  databaseUrl: process.argv[2] as string,
  jobs: [[stuck]],
  beatMs: 100,
  logger: createTestLogger(),
})
