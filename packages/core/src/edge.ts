/** The part of core that runs anywhere: it uses no dependency and no Node builtin. */
export { type Clock, systemClock } from './clock.ts'
export {
  type ErrorOptionsWithHeaders,
  isTollgateError,
  TollgateError,
  toResponse,
} from './errors.ts'
export { type CronEntry, defineJob, type JobDefinition, type JobInfo } from './job.ts'
export { lazy } from './lazy.ts'
export { originOf } from './origin.ts'
export { wasParsed } from './parsed-body.ts'
export { parseUrl } from './url.ts'
