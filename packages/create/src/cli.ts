#!/usr/bin/env node
/**
 * `tollgate …` as a process: see `commands.ts`.
 *
 * @module
 */

import { runCommand } from './commands.ts'

process.exitCode = await runCommand(process.argv.slice(2))
