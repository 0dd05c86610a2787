/**
 * Adding jobs, without the worker that runs them. A bundle of a host that only adds jobs leaves the worker's engine
 * out.
 *
 * @module
 */

export { type BacklogWatch, type BacklogWatchOptions, createBacklogWatch } from './backlog.ts'
export { type EnqueueOptions, enqueue } from './enqueue.ts'
export { JobsError, type JobsErrorCode } from './errors.ts'
