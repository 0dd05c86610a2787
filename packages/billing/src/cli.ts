/**
 * `pnpm billing …` as a process: see `cli/run.ts`.
 *
 * @module
 */

import { runCommand } from './cli/run.ts'

const code = await runCommand(process.argv.slice(2))
// A command that succeeded but found something wrong has set the exit code itself.
if (code !== 0) process.exitCode = code
// An instance may hold connections of its own, and they must not keep the finished process alive.
setTimeout(() => process.exit(), 1_000).unref()
