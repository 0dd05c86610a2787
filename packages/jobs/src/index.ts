export { type DeadJob, listDeadJobs, retryDeadJobs } from './dead.ts'
export { type EnqueueOptions, enqueue } from './enqueue.ts'
export { JobsError, type JobsErrorCode } from './errors.ts'
export {
  type CronEntry,
  createWorker,
  type Jobs,
  migrateJobs,
  runPending,
  type Worker,
  type WorkerOptions,
} from './worker.ts'
