/**
 * The lists of jobs that a worker runs.
 *
 * @module
 */

import type { JobDefinition } from '@repo/core'

/** Lists of job definitions, one of each instance or package. */
// biome-ignore lint/suspicious/noExplicitAny: the lists hold jobs with different payload types.
export type Jobs = readonly (readonly JobDefinition<any>[])[]
