/**
 * `.env.local` and `.env` of a host's folder, in Next.js's order: a variable of the process wins, then
 * `.env.local`, then `.env`. No value is ever printed.
 *
 * @module
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import type { Environment } from '../env.ts'
import { TollgateError } from '../errors.ts'

/** The first of these that names a variable says what it is. */
const FILES = ['.env.local', '.env']

/**
 * Adds to `environment` what the files in `folder` say and it lacks, and returns the names of the files that
 * are there. A variable that is set to nothing is not replaced. A value is taken as it is written: `$NAME`
 * in it stands for itself.
 *
 * @throws `invalid_environment` for a file that cannot be read
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
