/**
 * `tollgate dev` as a process: see `run.ts`.
 *
 * @module
 */

import { runLocal } from './run.ts'

process.exit(await runLocal(process.argv.slice(2)))
