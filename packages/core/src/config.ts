/**
 * `tollgate.config.ts`, the file in a host's folder that names the host's own instances. Commands, the worker
 * and the cron route work with these instances and no others. Importing the file does nothing.
 *
 * @module
 */

import type { CheckRun, InstanceChecks } from './checks.ts'
import type { CronEntry, JobDefinition } from './job.ts'
import { lazy } from './lazy.ts'

// biome-ignore lint/suspicious/noExplicitAny: the list holds jobs with different payload types.
type AnyJob = JobDefinition<any>

/** The members of an instance of `createAuth` or `createBilling` that a worker uses. */
export interface ConfiguredInstance {
  /** The instance's jobs. */
  readonly jobs: readonly AnyJob[]
  /** When a worker runs them, in UTC. */
  readonly cron: readonly CronEntry[]
  /** The checks of `tollgate doctor`. */
  checks?(run: CheckRun): Promise<InstanceChecks>
}

/** The parts of a host. Leave out those that you do not use. */
export interface TollgateConfig {
  /** The instance that `createAuth` made, or `auth` of `@repo/auth`. */
  readonly auth?: ConfiguredInstance
  /** The instance that `createBilling` made, or `billing` of `@repo/billing`. */
  readonly billing?: ConfiguredInstance
  /** The host's own jobs. */
  readonly jobs?: readonly AnyJob[]
  /** The schedule of the host's own jobs. */
  readonly cron?: readonly CronEntry[]
}

/**
 * Defines the default export of `tollgate.config.ts`. Give a function if an instance reads the environment:
 * it is called when a command or a worker first uses a part, and not on import.
 */
export function defineConfig<const Config extends TollgateConfig>(
  config: Config | (() => Config),
): Config {
  return typeof config === 'function' ? lazy(config) : config
}

/** All jobs and cron entries of a host, in the form that `createWorker` and `runPending` of `@repo/jobs` take. */
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
