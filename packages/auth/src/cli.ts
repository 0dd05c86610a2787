/**
 * `pnpm auth …` as a process: see `import/command.ts`.
 *
 * @module
 */

import { runCommand } from './import/command.ts'

process.exitCode = await runCommand(process.argv.slice(2))
// A client may keep connections open; a finished process does not wait for them.
setTimeout(() => process.exit(), 1_000).unref()
