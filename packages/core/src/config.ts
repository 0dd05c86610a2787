/**
 * `tollgate.config.ts`, the file in a host's folder that names the host's own instances. Commands, the worker
 * and the cron route work with these and with no others. The file does nothing when it is imported.
 *
 * @module
 */

import type { CronEntry, JobDefinition } from './job.ts'
import { lazy } from './lazy.ts'

// biome-ignore lint/suspicious/noExplicitAny: jobs of any payload stand in one list.
type AnyJob = JobDefinition<any>

/** What a worker needs of an instance of `createAuth` or `createBilling`. */
export interface ConfiguredInstance {
  readonly jobs: readonly AnyJob[]
  readonly cron: readonly CronEntry[]
}

/** The parts of a host. A host leaves out what it does not use. */
export interface TollgateConfig {
  /** The instance that `createAuth` made, or `auth` of `@repo/auth`. */
  readonly auth?: ConfiguredInstance
  /** The instance that `createBilling` made, or `billing` of `@repo/billing`. */
  readonly billing?: ConfiguredInstance
  /** The host's own jobs. */
  readonly jobs?: readonly AnyJob[]
  /** When the host's own jobs run. */
  readonly cron?: readonly CronEntry[]
}

/**
 * The default export of `tollgate.config.ts`. A function is called when a command or a worker first needs a
 * part of it, so that an instance which reads the environment is not made by an import.
 */
export function defineConfig<const Config extends TollgateConfig>(
  config: Config | (() => Config),
): Config {
  return typeof config === 'function' ? lazy(config) : config
}

/** Every job of a host and when each runs, as `createWorker` and `runPending` of `@repo/jobs` take them. */
export function workOf({ auth, billing, jobs = [], cron = [] }: TollgateConfig): {
  jobs: (readonly AnyJob[])[]
  cron: CronEntry[]
} {
  const instances = [auth, billing].filter((instance) => instance !== undefined)
  return {
    jobs: [...instances.map((instance) => instance.jobs), jobs],
    cron: [...instances.flatMap((instance) => instance.cron), ...cron],
  }
}
