/**
 * `doctor …` as a process: see `command.ts`.
 *
 * @module
 */

import { runDoctor } from './command.ts'

process.exitCode = await runDoctor(process.argv.slice(2))
// An instance may hold connections of its own, and they must not keep the finished process alive.
setTimeout(() => process.exit(), 1_000).unref()
