/**
 * The lists of jobs that a worker runs.
 *
 * @module
 */

import type { JobDefinition } from '@repo/core'

// biome-ignore lint/suspicious/noExplicitAny: the lists hold jobs with different payload types.
export type Jobs = readonly (readonly JobDefinition<any>[])[]
