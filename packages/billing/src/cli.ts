/**
 * `pnpm billing …` as a process: see `cli/run.ts`.
 *
 * @module
 */

import { runCommand } from './cli/run.ts'

const code = await runCommand(process.argv.slice(2))
// A command that did its work and found something wrong has said so itself.
if (code !== 0) process.exitCode = code
// An instance may hold connections of its own; a process that is done does not wait for them.
setTimeout(() => process.exit(), 1_000).unref()
