/**
 * Reads `.env.local` and `.env` in a host's folder, in Next.js's order: a variable of the process wins over
 * `.env.local`, which wins over `.env`. No value is ever printed.
 *
 * @module
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import type { Environment } from '../env.ts'
import { TollgateError } from '../errors.ts'

/** The first file that sets a variable wins. */
const FILES = ['.env.local', '.env']

/**
 * Sets the variables of the files in `folder` that `environment` does not have yet, and returns the names of
 * the files found. A variable that is set to the empty string is kept. Values are taken literally: `$NAME` is
 * not expanded.
 *
 * @throws `invalid_environment` if a file cannot be read
 */
export function readEnvFiles(folder: string, environment: Environment = process.env): string[] {
  const found: string[] = []
  for (const file of FILES) {
    const text = read(join(folder, file))
    if (text === null) continue
    found.push(file)
    for (const [name, value] of Object.entries(parseEnv(text))) environment[name] ??= value
  }
  return found
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return null
    throw new TollgateError('invalid_environment', 500, `${path} cannot be read (${code}).`)
  }
}
