/**
 * `tollgate dev`: everything that a host needs on a developer's machine, beside the host's own development command, with
 * one log. Whatever stops, by Ctrl-C or by itself, stops all of it.
 *
 * @module
 */

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { consoleLogger, type Environment, isTollgateError, maskText, parseUrl } from '@repo/core'
import { findConfig, readEnvFiles } from '@repo/core/cli'
import { HELP, hostCommand, type LocalArguments, parseLocal, scriptPath } from './command.ts'
import {
  envLines,
  type LocalEnvironment,
  localEnvironment,
  requireDevelopment,
  standInPort,
} from './environment.ts'
import { type LocalProcess, type Log, type RunningProcess, startProcess } from './processes.ts'
import {
  localSandbox,
  migrateLocal,
  type OwnSandboxOptions,
  openDatabase,
  readRunning,
  requireFree,
  secretIn,
  usablePort,
  writeRunning,
} from './services.ts'

/** The options of `runLocal`. */
export interface RunLocalOptions {
  /** Options of the stand-ins, such as the event types of Cal.com or the accounts of the sign-in page. */
  sandbox?: OwnSandboxOptions
}

/**
 * Runs everything until it is stopped, and returns the exit code.
 *
 * @param argv The words of the command line; see `--help`.
 */
export async function runLocal(
  argv: readonly string[],
  options: RunLocalOptions = {},
): Promise<number> {
  const log: Log = {
    write: (line) => void process.stdout.write(`${line}\n`),
    hasColour: process.stdout.isTTY === true && !process.env.NO_COLOR,
  }
  const closing: (() => Promise<unknown>)[] = []
  // A terminal and a package manager both send the signal: the second must not cut off the first.
  const stopped = new Promise<number>((done) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => done(0))
  })
  try {
    const args = parseLocal(argv)
    if (args.isHelp) {
      process.stdout.write(HELP)
      return 0
    }
    return await start(args, options, { log, closing, stopped })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    process.stderr.write(`${maskText(isTollgateError(error) ? message : reasonOf(error))}\n`)
    return 1
  } finally {
    for (const close of closing.splice(0).reverse()) await close()
  }
}

const reasonOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error)

interface Life {
  log: Log
  /** What is closed at the end, the last first. */
  closing: (() => Promise<unknown>)[]
  /** Resolves when somebody asks for the end. */
  stopped: Promise<number>
}

async function start(args: LocalArguments, options: RunLocalOptions, life: Life): Promise<number> {
  const { log, closing } = life
  const host: Environment = { ...process.env }
  readEnvFiles(args.folder, host)
  requireDevelopment(host)
  const command = args.isServicesOnly ? [] : hostCommand(args.folder, args.command)
  const data = join(args.folder, '.tollgate')
  const appPort = await choosePort(args, host)
  const named = standInPort(host)
  const sandboxPort = named ?? args.sandboxPort ?? (await usablePort(4242))
  if (args.isPrint) {
    const facts =
      (await readRunning(data)) ??
      (await factsOf(host, appPort, sandboxPort, data, PRINTED_DATABASE))
    process.stdout.write(envLines(localEnvironment(host, facts).variables))
    return 0
  }
  await requireFree(sandboxPort, named === null ? '--sandbox-port' : 'a variable of yours')

  const database = await openDatabase(host, data, args)
  closing.push(() => database.stop())
  const applied = await migrateLocal(database.url)
  const facts = await factsOf(host, appPort, sandboxPort, data, database.url)
  const environment = localEnvironment(host, facts)
  const { all } = environment
  const sandbox = localSandbox(all, {
    port: sandboxPort,
    folder: data,
    own: options.sandbox ?? {},
    logger: quiet,
  })
  closing.push(() => sandbox.stop())
  closing.push(await writeRunning(data, facts))
  await sandbox.listen()
  const config = findConfig(args.folder)
  if (config) await pushPlans(config, all, life)
  else log.write(WITHOUT_CONFIG)
  // The last of these lines says that everything is ready for the app.
  tell(log, { environment, facts, applied })
  const processes = args.isServicesOnly ? [] : processesOf(args.folder, command, config, all)
  const running: RunningProcess[] = []
  // Before the stand-ins and the database, which the processes use to the last.
  closing.push(() => Promise.all(running.map((each) => each.stop())))
  for (const wanted of processes) running.push(startProcess(wanted, log))
  const died = running.map(async ({ name, ended }) => ({ name, code: await ended }))
  const first = await Promise.race([life.stopped.then((code) => ({ name: '', code })), ...died])
  if (first.name !== '') {
    log.write(`${first.name} has ended with code ${first.code}, so everything stops.`)
  }
  return first.code
}

/** The database that `--print-env` names, where none is running. */
const PRINTED_DATABASE = 'postgresql://tollgate@127.0.0.1:5433/tollgate'

async function factsOf(
  host: Environment,
  appPort: number,
  sandboxPort: number,
  data: string,
  databaseUrl: string,
) {
  return {
    appUrl: host.APP_URL || `http://localhost:${appPort}`,
    databaseUrl,
    sandboxUrl: `http://127.0.0.1:${sandboxPort}`,
    outboxDir: join(data, 'outbox'),
    secret: host.BETTER_AUTH_SECRET || (await secretIn(data)),
  }
}

/** The app's port: the host's, or the next free one. */
async function choosePort(args: LocalArguments, host: Environment): Promise<number> {
  const named = parseUrl(host.APP_URL ?? '')
  const fixed = args.port ?? (Number(host.PORT) || (named ? Number(named.port || 80) : null))
  if (fixed === null) return usablePort(3000)
  const whose = args.port ? '--port' : host.PORT ? 'PORT' : 'APP_URL'
  if (!args.isServicesOnly && !args.isPrint) await requireFree(fixed, whose)
  return fixed
}

const WITHOUT_CONFIG =
  'There is no tollgate.config.ts, so no worker runs: mails are not sent, and webhooks are not processed.'

/** The stand-ins say only what went wrong. */
const quiet = { ...consoleLogger, info() {}, debug() {} }

function tell(
  log: Log,
  told: {
    environment: LocalEnvironment
    facts: { appUrl: string; databaseUrl: string; sandboxUrl: string }
    applied: number
  },
): void {
  const { environment, facts, applied } = told
  const { variables, kept, real } = environment
  const database = new URL(facts.databaseUrl)
  log.write(`App: ${facts.appUrl}`)
  log.write(`Database: ${database.host}${database.pathname}, ${applied} migrations applied`)
  log.write(`Stand-ins: ${facts.sandboxUrl}`)
  if (real.length > 0) log.write(`With your own keys: ${real.join(', ')}`)
  log.write(`Set for your app: ${Object.keys(variables).join(', ') || 'nothing'}`)
  if (kept.length > 0) log.write(`Yours, and not changed: ${kept.join(', ')}`)
  log.write(`Mailbox: ${facts.sandboxUrl}/mailbox`)
}

/** The command of a package, for the host's own instances. */
const tool = (
  name: string,
  words: readonly string[],
  config: string,
  env: Environment,
): LocalProcess => ({
  name,
  command: [process.execPath, ...process.execArgv, ...words, '--config', config],
  cwd: process.cwd(),
  env,
})

/** Pushes the host's plans to the Stripe stand-in, so that a checkout finds their prices. Ctrl-C ends the wait. */
async function pushPlans(config: string, all: Environment, { log, stopped }: Life): Promise<void> {
  const billing = cliOf('@repo/billing', dirname(config))
  if (!billing || !all.STRIPE_API_BASE) return
  const plans = startProcess(tool('plans', [billing, 'plans', 'push'], config, all), log)
  const code = await Promise.race([plans.ended, stopped.then(() => plans.stop().then(() => 0))])
  if (code !== 0) log.write('The plans could not be pushed, so a checkout finds no prices.')
}

/** The worker and the host's own command. */
function processesOf(
  folder: string,
  command: string | readonly string[],
  config: string | null,
  all: Environment,
): LocalProcess[] {
  const jobs = cliOf('@repo/jobs', dirname(fileURLToPath(import.meta.url)))
  const app: LocalProcess = {
    name: 'app',
    command,
    cwd: folder,
    env: { ...all, PATH: scriptPath(folder, all.PATH) },
  }
  return config && jobs ? [tool('worker', [jobs, 'worker'], config, all), app] : [app]
}

/** The file with the commands of a package: of `from`, or beside this package. Null: the host does not have it. */
function cliOf(packageName: string, from: string): string | null {
  const own = join(dirname(fileURLToPath(import.meta.url)), '../..')
  const beside = join(own, '..', packageName.split('/')[1] ?? '', 'src/cli.ts')
  try {
    const manifest = createRequire(join(from, 'package.json')).resolve(
      `${packageName}/package.json`,
    )
    return join(dirname(manifest), 'src/cli.ts')
  } catch {
    return existsSync(beside) ? relative(process.cwd(), beside) : null
  }
}
