import { type ErrorOptionsWithHeaders, TollgateError } from '@repo/core'

/** Every code of a {@link JobsError}. */
export type JobsErrorCode = 'duplicate_job' | 'invalid_payload' | 'no_jobs' | 'unknown_job'

const STATUS: Record<JobsErrorCode, number> = {
  duplicate_job: 500,
  invalid_payload: 422,
  no_jobs: 500,
  unknown_job: 404,
}

/** An error of the queue. Branch on `code`. */
export class JobsError extends TollgateError<JobsErrorCode> {
  override readonly name = 'JobsError'

  constructor(code: JobsErrorCode, message: string, options: ErrorOptionsWithHeaders = {}) {
    super(code, STATUS[code], message, options)
  }
}
