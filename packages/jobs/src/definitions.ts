/**
 * The jobs that a worker runs, as the packages define them.
 *
 * @module
 */

import type { JobDefinition } from '@repo/core'

// biome-ignore lint/suspicious/noExplicitAny: jobs of any payload stand in one list.
export type Jobs = readonly (readonly JobDefinition<any>[])[]
