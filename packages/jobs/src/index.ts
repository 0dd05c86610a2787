export type { CronEntry } from '@repo/core'
export { type BacklogWatch, type BacklogWatchOptions, createBacklogWatch } from './backlog.ts'
export { type DeadJob, listDeadJobs, retryDeadJobs } from './dead.ts'
export type { Jobs } from './definitions.ts'
export { type EnqueueOptions, enqueue } from './enqueue.ts'
export { JobsError, type JobsErrorCode } from './errors.ts'
export {
  createWorker,
  migrateJobs,
  type PendingOptions,
  runPending,
  type Worker,
  type WorkerOptions,
} from './worker.ts'
