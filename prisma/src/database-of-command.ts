/**
 * The database that a command works on: the one that the host names, and no other. The command prints its
 * host and name before doing anything.
 *
 * @module
 */

import { dirname } from 'node:path'
import { TollgateError } from '@repo/core'
import { findConfig, readEnvFiles } from '@repo/core/cli'
import { databaseTargetOf } from './connection.ts'

/**
 * Returns `DATABASE_URL` of the process, or of `.env.local` or `.env` beside the nearest
 * `tollgate.config.ts`, else in the working directory. Writes the database's host and name to standard error.
 *
 * @throws `invalid_environment` if no URL is set
 */
export function databaseOfCommand(command: string): string {
  const config = findConfig(process.cwd())
  const folder = config === null ? process.cwd() : dirname(config)
  readEnvFiles(folder)
  const url = process.env.DATABASE_URL
  if (!url) {
    throw new TollgateError(
      'invalid_environment',
      500,
      `${command} needs DATABASE_URL: set it, or write it into ${folder}/.env.local or .env. ` +
        'It is postgresql://user:password@host:port/database, of the role that owns the database. ' +
        'The demo needs none: it migrates its own database whenever it starts.',
    )
  }
  const { host, name } = databaseTargetOf(url)
  process.stderr.write(`Database ${host}/${name}\n`)
  return url
}
