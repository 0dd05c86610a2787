/**
 * The command line, and the host's own development command: the words after `--`, or the script `dev` of its
 * `package.json`. The script is run as its package manager would run it, so no package manager has to be installed.
 *
 * @module
 */

import { existsSync, readFileSync } from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { TollgateError } from '@repo/core'

/** The words of the command line. */
export interface LocalArguments {
  /** The host's folder. */
  folder: string
  /** The app's port, where the host names none. */
  port: number | undefined
  /** The port of the stand-ins, where the host names none. */
  sandboxPort: number | undefined
  /** Only the services: no worker and no app. */
  isServicesOnly: boolean
  /** Use the database of `DATABASE_URL` although it is on another machine. */
  isRemoteAllowed: boolean
  /** Print the variables as lines of a `.env` file, and start nothing. */
  isPrint: boolean
  isHelp: boolean
  /** The host's command; empty for its script `dev`. */
  command: string[]
}

export const HELP = `tollgate dev [--into <folder>] [-- <command>]

Runs PostgreSQL, migrations, the stand-ins, the worker and your app's own development command, with one log.
Ctrl-C stops all of it. Data is kept in <folder>/.tollgate.

  --into <folder>        your app; default: the working directory
  --port <number>        your app's port; default: PORT, the port of APP_URL, or 3000
  --sandbox-port <n>     the stand-ins' port; default: that of STRIPE_API_BASE, or 4242
  --services             only PostgreSQL and the stand-ins
  --remote-database      use DATABASE_URL although it names another machine
  --print-env            print the variables as lines of .env.local, and start nothing
  -- <command>           your command; default: the script dev of your package.json
`

/** Reads the command line. @throws `usage` */
export function parseLocal(argv: readonly string[]): LocalArguments {
  const end = argv.indexOf('--')
  const own = end < 0 ? argv : argv.slice(0, end)
  const command = end < 0 ? [] : argv.slice(end + 1)
  if (end >= 0 && command.length === 0) throw usage('Name your command after --.')
  let values: ReturnType<typeof read>
  try {
    values = read([...own])
  } catch (error) {
    throw usage((error as Error).message)
  }
  if (values.into === '') throw usage('--into is empty. Name a folder.')
  const folder = resolve(values.into)
  if (!existsSync(folder)) throw usage(`The folder ${folder} does not exist.`)
  return {
    folder,
    port: portOf('--port', values.port),
    sandboxPort: portOf('--sandbox-port', values['sandbox-port']),
    isServicesOnly: values.services,
    isRemoteAllowed: values['remote-database'],
    isPrint: values['print-env'],
    isHelp: values.help,
    command,
  }
}

const read = (args: string[]) =>
  parseArgs({
    args,
    options: {
      into: { type: 'string', default: '.' },
      port: { type: 'string' },
      'sandbox-port': { type: 'string' },
      services: { type: 'boolean', default: false },
      'remote-database': { type: 'boolean', default: false },
      'print-env': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  }).values

const usage = (message: string) => new TollgateError('usage', 400, `${message}\n\n${HELP}`)

function portOf(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const port = Number(text)
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port
  throw usage(`${flag} must be a port: a whole number from 1 to 65535.`)
}

/** The host's command as a line for the shell, or its words. @throws `no_command` if it has no script `dev` */
export function hostCommand(folder: string, words: readonly string[]): string | readonly string[] {
  if (words.length > 0) return words
  const path = join(folder, 'package.json')
  let scripts: Record<string, unknown> = {}
  if (existsSync(path)) {
    try {
      scripts =
        (JSON.parse(readFileSync(path, 'utf8')) as { scripts?: typeof scripts }).scripts ?? {}
    } catch {
      throw new TollgateError('no_command', 400, `${path} is not JSON.`)
    }
  }
  if (typeof scripts.dev === 'string' && scripts.dev.trim() !== '') return scripts.dev
  throw new TollgateError(
    'no_command',
    400,
    `${path} has no script "dev". Add it, or name your command: tollgate dev -- node server.js`,
  )
}

/** `PATH` as a package manager sets it for a script: with the programs of the folder's packages. */
export function scriptPath(folder: string, path = ''): string {
  const folders: string[] = []
  for (let at = folder; ; at = dirname(at)) {
    folders.push(join(at, 'node_modules', '.bin'))
    if (at === dirname(at)) break
  }
  return [...folders.filter((each) => existsSync(each)), path].filter(Boolean).join(delimiter)
}
