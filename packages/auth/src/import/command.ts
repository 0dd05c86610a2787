/**
 * `pnpm auth import-users <file>`: imports users from a file of JSON lines or CSV, or from standard input (`-`). Texts
 * and progress go to standard error, and hold numbers of rows and no personal data. `--json` prints the result to
 * standard output. A file is first checked from beginning to end, and nothing is written where a user would be refused.
 *
 * @module
 */

import { createReadStream, existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { isTollgateError, maskText, TollgateError } from '@repo/core'
import { createProgress, openHost } from '@repo/core/cli'
import { databaseOfCommand } from '@repo/db/cli'
import { auth as defaultAuth } from '../auth.ts'
import type { Auth } from '../instance.ts'
import type { ImportUsersResult } from './import-users.ts'
import { type ImportFormat, readUsers } from './read-users.ts'

const USAGE = `pnpm auth import-users <file | -> [--format jsonl|csv] [--dry-run] [--skip-refused]
    [--tell-host] [--json] [--config <path>]
    import users with their password hashes from JSON lines or CSV; - is standard input
A line has email, and may have id, name, emailVerified, createdAt, image, passwordHash and accounts.`

const say = (line: string): void => void process.stderr.write(`${line}\n`)

/** The command was called wrongly, and nothing was done. */
class UsageError extends Error {}

/** Runs the command. Returns 0; 1 where users were refused or it failed; 2 where it was called wrongly. Never throws. */
export async function runCommand(args: string[]): Promise<0 | 1 | 2> {
  try {
    return await run(args)
  } catch (error) {
    say(maskText(error instanceof Error ? error.message : String(error)))
    return error instanceof UsageError || (isTollgateError(error) && error.status === 400) ? 2 : 1
  }
}

interface Flags {
  format: ImportFormat
  dryRun: boolean
  skipsRefused: boolean
  tellsHost: boolean
  json: boolean
  config: string | undefined
}

async function run(args: string[]): Promise<0 | 1> {
  const parsed = parse(args)
  if (parsed === null) {
    process.stdout.write(`${USAGE}\n`)
    return 0
  }
  const { file, flags } = parsed
  if (file !== '-' && !existsSync(file)) throw new UsageError(`The file ${file} does not exist.`)
  const { auth, url } = await openAuth(flags.config)
  try {
    const result = await importFrom(auth, file, flags)
    if (flags.json) process.stdout.write(`${JSON.stringify({ ...result, database: url })}\n`)
    return result.refused.length > 0 ? 1 : 0
  } finally {
    await auth.close()
  }
}

function parse(args: string[]): { file: string; flags: Flags } | null {
  const { positionals, values } = read(args)
  if (values.help) return null
  const [command, file, ...more] = positionals
  if (command !== 'import-users' || !file || more.length > 0) {
    throw new UsageError(`Name the command and one file.\n${USAGE}`)
  }
  const format = values.format ?? (file.endsWith('.csv') ? 'csv' : 'jsonl')
  if (format !== 'csv' && format !== 'jsonl') {
    throw new UsageError(`--format must be jsonl or csv, not ${format}.`)
  }
  const flags: Flags = {
    ...{ format, dryRun: values['dry-run'], skipsRefused: values['skip-refused'] },
    ...{ tellsHost: values['tell-host'], json: values.json, config: values.config },
  }
  if (file === '-' && !flags.dryRun && !flags.skipsRefused) {
    throw new UsageError(
      'Standard input cannot be checked before it is imported. Give --dry-run, --skip-refused, or a file.',
    )
  }
  return { file, flags }
}

function read(args: string[]) {
  try {
    const off = { type: 'boolean', default: false } as const
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        ...{ 'dry-run': off, 'skip-refused': off, 'tell-host': off, json: off },
        ...{ help: { type: 'boolean', short: 'h', default: false } },
        ...{ format: { type: 'string' }, config: { type: 'string' } },
      },
    })
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${USAGE}`)
  }
}

/** The host's instance, and the database's host and name, which are printed. */
async function openAuth(path: string | undefined): Promise<{ auth: Auth; url: string }> {
  const host = await openHost(path === undefined ? {} : { path })
  const { hostname, pathname } = new URL(databaseOfCommand('import-users'))
  const auth = host.config === null ? defaultAuth : host.config.auth
  if (auth !== undefined && 'importUsers' in auth) {
    return { auth: auth as Auth, url: `${hostname}${pathname}` }
  }
  throw new TollgateError(
    'invalid_config',
    500,
    `${host.file} has no auth. Write export default defineConfig({ auth }), where auth is an instance of createAuth.`,
  )
}

async function importFrom(auth: Auth, file: string, flags: Flags): Promise<ImportUsersResult> {
  const pass = (dryRun: boolean, total?: number) => onePass(auth, file, flags, { dryRun, total })
  let total: number | undefined
  if (file !== '-') {
    const checked = await pass(true)
    tell(checked, true)
    const isRefused = checked.refused.length > 0 && !flags.skipsRefused
    if (isRefused && !flags.dryRun) {
      say('Nothing was written. Mend the file, or leave these users out with --skip-refused.')
      return { ...checked, imported: 0 }
    }
    if (flags.dryRun) return checked
    total = checked.read
  }
  const result = await pass(flags.dryRun, total)
  tell(result, flags.dryRun)
  return result
}

async function onePass(
  auth: Auth,
  file: string,
  { format, tellsHost }: Flags,
  { dryRun, total }: { dryRun: boolean; total: number | undefined },
): Promise<ImportUsersResult> {
  const input = file === '-' ? process.stdin : createReadStream(file)
  input.setEncoding('utf8')
  const progress = createProgress(dryRun ? 'users checked' : 'users imported')
  const show = (done: number) => progress.show(done, total)
  const users = readUsers(input as AsyncIterable<string>, format)
  const result = await auth.importUsers(users, { dryRun, tellsHost, onProgress: show })
  progress.end()
  return result
}

/** How many refused users are named. `--json` has all of them. */
const NAMED = 20

function tell(
  { read, imported, present, unverified, refused }: ImportUsersResult,
  dryRun: boolean,
) {
  const verb = dryRun ? 'would be imported' : 'were imported'
  say(
    `${read} users read: ${imported} ${verb}, ${present} exist already, ${refused.length} are refused.`,
  )
  if (unverified > 0) {
    say(
      `${unverified} of them have no proven address: they confirm it and choose a password, and are deleted like ` +
        'other users who never confirm.',
    )
  }
  for (const { row, reason, message } of refused.slice(0, NAMED)) {
    say(`user ${row}: ${reason}: ${message}`)
  }
  if (refused.length > NAMED) say(`… and ${refused.length - NAMED} more; --json lists all.`)
}
