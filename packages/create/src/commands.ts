/**
 * The commands of `tollgate`. Each makes a plan, shows it, and applies it after a question on a terminal.
 *
 * @module
 */

import { dirname, resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { isTollgateError, maskText } from '@repo/core'
import { createProgress } from '@repo/core/cli'
import { applyPlan, forgetLast, planAbort, takeBackPending } from './apply.ts'
import { type Checkout, openCheckout } from './checkout.ts'
import { runDev } from './dev.ts'
import { hostChanges } from './diff.ts'
import { runDoctorOf } from './doctor-command.ts'
import { CreateError } from './errors.ts'
import { changedFiles, type Host, isWithin, openHost } from './host.ts'
import type { Plan } from './plan.ts'
import { planAdd } from './plan-add.ts'
import { planRemove } from './plan-remove.ts'
import { planUpdate, requireReceipt, waitingFiles } from './plan-update.ts'
import { readReceipt } from './receipt.ts'
import { commitRecipe } from './recipes/commit.ts'
import { planRecipe, planRecipeUndo } from './recipes/plan-recipe.ts'
import { jsonOf, linesOf, stepsOf } from './report.ts'
import { findSchemas } from './schema/locate.ts'
import { variablesOf } from './variables.ts'

/** The exit codes. */
const DONE = 0
const FAILED = 1
/** `check-update` found an update. `add`, `update`: wrong usage exits with 1. */
const HAS_UPDATE = 2
/** A file waits for a person to merge it. */
const UNRESOLVED = 3

const HELP = `tollgate <command> [--into <folder>]

  add <part>…          copy auth, billing, email or web, and what they need
      --scope @acme      the scope of the copied packages; default @repo
      --directory libs   their folder; default: the first of your workspace
      --app apps/web     the package that will import them
      --schema merge     put the models into your Prisma schema; default if you have one for PostgreSQL.
                         own: @repo/db has a schema, and so a database, of its own.
                         <path>: your schema, where you have several
      --no-wire          leave the files and settings of the app alone
      --without creem,…  leave extras out: creem, calcom, oauth-server
  diff [<path>]        show what you changed in the copied files
  check-update         say whether this checkout has an update; exits with 2 if it has
  update               merge this checkout's version into yours
      --restore          bring back files that you deleted
      --without, --with  take extras out, or bring them back
      --dirty            although the host has changes that are not committed
      --downgrade        although the checkout is older than what you have
      --abort [--force]  take the last update back, byte for byte
  remove [<part>…]     remove parts that you did not change, or all of them
  dev [-- <command>]   run PostgreSQL, the stand-ins, the worker and your app, with one log
      --app apps/web     the app; default: the one that imports the packages
      --help             all of its flags
  env [--check]        list the variables; --check exits with 1 if a required one is not set
  recipe <name>        edit your configuration, variables and routes: github-oauth, google-oauth, microsoft-oauth,
                       password-reset, mfa, organizations, stripe, configure-billing, credits, calcom
      --undo             take the recipe back
      --commit           run the tests of the packages and commit the recipe's files, or take the change back
  doctor               measure what your instances do; exits with 1 if a check fails
      --live             the dry run before production
      --tests            run the tests of the copied packages, too
      --only auth,email  areas, or ids of checks
      --rehearse         try a sign-in on a database of another machine, too, and roll it back
  mcp                  answer coding agents over the Model Context Protocol, on standard input and output

  --into <folder>      the host; default: the working directory
  --from <folder>      the checkout with the sources; default: the one that this command belongs to
  --dry-run            show the plan and change nothing
  --yes                do not ask before applying
  --json               print one JSON document to standard output
`

const OPTIONS = {
  into: { type: 'string', default: '.' },
  from: { type: 'string' },
  scope: { type: 'string' },
  directory: { type: 'string' },
  app: { type: 'string' },
  without: { type: 'string' },
  with: { type: 'string' },
  schema: { type: 'string' },
  'no-wire': { type: 'boolean', default: false },
  restore: { type: 'boolean', default: false },
  dirty: { type: 'boolean', default: false },
  downgrade: { type: 'boolean', default: false },
  abort: { type: 'boolean', default: false },
  force: { type: 'boolean', default: false },
  check: { type: 'boolean', default: false },
  undo: { type: 'boolean', default: false },
  commit: { type: 'boolean', default: false },
  live: { type: 'boolean', default: false },
  tests: { type: 'boolean', default: false },
  only: { type: 'string' },
  rehearse: { type: 'boolean', default: false },
  'dry-run': { type: 'boolean', default: false },
  yes: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

type Flags = ReturnType<typeof parse>['values']

const parse = (args: string[]) => parseArgs({ args, options: OPTIONS, allowPositionals: true })

/** The flags of each command, beside those of all commands. */
const COMMANDS: Record<string, readonly (keyof Flags)[]> = {
  add: ['scope', 'directory', 'app', 'schema', 'no-wire', 'without', 'dry-run', 'yes'],
  diff: [],
  'check-update': [],
  update: ['restore', 'without', 'with', 'dirty', 'downgrade', 'abort', 'force', 'dry-run', 'yes'],
  remove: ['dry-run', 'yes'],
  mcp: [],
  env: ['check'],
  recipe: ['undo', 'commit', 'dry-run', 'yes'],
  doctor: ['live', 'tests', 'only', 'rehearse'],
}

/** How many arguments a command takes; the others take none. */
const MOST_ARGUMENTS: Record<string, number> = {
  add: Number.POSITIVE_INFINITY,
  remove: Number.POSITIVE_INFINITY,
  diff: 1,
  recipe: 1,
}

const ALWAYS: readonly (keyof Flags)[] = ['into', 'from', 'json', 'help']

const say = (line: string): void => void process.stderr.write(`${line}\n`)

/** Runs the command and returns the exit code. Errors are told, and leave nothing changed. */
export async function runCommand(args: string[]): Promise<number> {
  const isJson = args.includes('--json')
  try {
    return args[0] === 'dev' ? await runDev(args.slice(1)) : await run(args)
  } catch (error) {
    const known = isTollgateError(error)
    const message = maskText(error instanceof Error ? error.message : String(error))
    if (isJson)
      console.log(
        JSON.stringify({ error: { code: known ? error.code : 'internal_error', message } }),
      )
    say(message)
    return FAILED
  }
}

async function run(args: string[]): Promise<number> {
  const { positionals, values: flags } = parseOrExplain(args)
  const [name, ...rest] = positionals
  if (flags.help) {
    if (flags.json) console.log(JSON.stringify({ help: HELP }))
    else process.stdout.write(HELP)
    return DONE
  }
  if (name === undefined) throw new CreateError('usage', `Name a command.\n\n${HELP}`)
  const allowed = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (!allowed)
    throw new CreateError('usage', `There is no command ${JSON.stringify(name)}.\n\n${HELP}`)
  if (rest.length > (MOST_ARGUMENTS[name] ?? 0)) {
    throw new CreateError('usage', `${name} does not take ${JSON.stringify(rest.at(-1))}.`)
  }
  for (const [flag, value] of Object.entries(flags)) {
    const isGiven = value !== false && !(flag === 'into' && value === '.')
    const isKnown = [...allowed, ...ALWAYS].includes(flag as keyof Flags)
    if (isGiven && !isKnown) throw new CreateError('usage', `${name} takes no --${flag}.`)
  }
  for (const flag of ['into', 'from', 'schema'] as const) {
    // An empty text is mostly a shell variable that is not set, and would mean the working directory.
    if (flags[flag] === '')
      throw new CreateError(
        'usage',
        `--${flag} is empty. Name a ${flag === 'schema' ? 'schema' : 'folder'}.`,
      )
  }
  const host = openHost(flags.into)
  const interrupted = takeBackPending(host.folder)
  if (interrupted) {
    say(`The last ${interrupted.command} was interrupted. Its changes were taken back.`)
    for (const path of interrupted.kept) say(`${path} was edited since, so it stays as it is.`)
  }
  if (name === 'doctor') return runDoctorOf(openHost(flags.into), doctorFlags(flags))
  if (flags.abort) return act(openHost(flags.into), planAbort(host.folder, flags), flags)
  const checkout = openCheckout(flags.from === undefined ? ownCheckout() : resolve(flags.from))
  if (isWithin(host.folder, checkout.folder)) {
    throw new CreateError(
      'usage',
      `${host.folder} is the checkout itself, or in it. Name your own folder with --into.`,
    )
  }
  const again = interrupted ? openHost(flags.into) : host
  if (name === 'add')
    return act(
      again,
      planAdd(checkout, again, rest, {
        ...given(flags, 'scope', 'directory', 'app'),
        ...(await schemaChoice(again, flags)),
        wire: !flags['no-wire'],
        without: namesIn(flags.without),
      }),
      flags,
    )
  if (name === 'mcp') {
    // Loaded here, because no other command needs the protocol.
    const { serveMcp } = await import('./mcp/server.ts')
    await serveMcp(again.folder, checkout)
    return DONE
  }
  if (name === 'recipe') return recipe(checkout, again, rest[0], flags)
  if (name === 'remove') return act(again, planRemove(checkout, again, rest), flags)
  if (name === 'update') return update(checkout, again, flags)
  if (name === 'check-update') return checkUpdate(checkout, again, flags)
  return name === 'env' ? env(checkout, again, flags) : diff(again, rest[0], flags)
}

function parseOrExplain(args: string[]) {
  try {
    return parse(args)
  } catch (error) {
    throw new CreateError('usage', `${(error as Error).message}\n\n${HELP}`)
  }
}

/** Whether the models go into the host's schema: as the flag says, or as a person says on a terminal. */
async function schemaChoice(host: Host, { schema, yes }: Flags): Promise<{ schema?: string }> {
  if (schema !== undefined) return { schema }
  if (yes || !canAsk() || readReceipt(host.read)) return {}
  const [found, ...others] = findSchemas(host)
  if (!found || others.length > 0) return {}
  const isWanted = await asked(
    `Your Prisma schema is ${found.path}. Put Tollgate's models into it, so that both have one User? [Y/n] `,
  )
  return isWanted ? {} : { schema: 'own' }
}

const given = <Name extends 'scope' | 'directory' | 'app'>(flags: Flags, ...names: Name[]) =>
  Object.fromEntries(
    names.flatMap((name) => (flags[name] === undefined ? [] : [[name, flags[name]]])),
  ) as {
    [Key in Name]?: string
  }

/** The names in a list that commas separate. */
const namesIn = (list: string | undefined): string[] =>
  list === undefined ? [] : list.split(',').map((name) => name.trim())

const doctorFlags = ({ live, tests, rehearse, json, only }: Flags): string[] => [
  ...Object.entries({ live, tests, rehearse, json }).flatMap(([flag, isOn]) =>
    isOn ? [`--${flag}`] : [],
  ),
  ...(only === undefined ? [] : ['--only', only]),
]

/** The checkout that this file belongs to. */
const ownCheckout = (): string => resolve(dirname(fileURLToPath(import.meta.url)), '../../..')

async function recipe(
  checkout: Checkout,
  host: Host,
  name: string | undefined,
  flags: Flags,
): Promise<number> {
  if (flags.commit && flags['dry-run'])
    throw new CreateError('usage', 'Give --commit or --dry-run, not both.')
  if (!flags.commit) {
    const plan = flags.undo ? planRecipeUndo(host, name) : planRecipe(checkout, host, name)
    return act(host, plan, flags)
  }
  const report = await commitRecipe({ checkout, host, name, undo: flags.undo, say })
  if (flags.json) console.log(JSON.stringify(report, null, 2))
  else say(report.task_completed ? report.self_critique : `${report.error} ${report.action_taken}`)
  return report.task_completed ? DONE : FAILED
}

async function update(checkout: Checkout, host: Host, flags: Flags): Promise<number> {
  const dirty = changedFiles(host)
  if (dirty.length > 0 && !flags.dirty && !flags['dry-run']) {
    throw new CreateError(
      'dirty_tree',
      `Not committed: ${dirty.slice(0, 5).join(', ')}${dirty.length > 5 ? ` and ${dirty.length - 5} more` : ''}. Commit them first, or add --dirty.`,
    )
  }
  const extras = { without: namesIn(flags.without), including: namesIn(flags.with) }
  return act(
    host,
    planUpdate(checkout, host, { restore: flags.restore, downgrade: flags.downgrade, ...extras }),
    flags,
  )
}

/** Shows a plan, asks, and applies it. */
async function act(host: Host, plan: Plan, flags: Flags): Promise<number> {
  for (const line of linesOf(plan)) say(line)
  const isWanted =
    !flags['dry-run'] && plan.changes.length > 0 && (flags.yes || (await confirmed(plan)))
  if (isWanted) {
    const progress = createProgress('files')
    applyPlan(host.folder, plan, (done, total) => progress.show(done, total))
    progress.end()
    if (plan.command === 'update --abort' || !readReceipt(host.read)) forgetLast(host.folder)
    for (const line of stepsOf(plan)) say(line)
  }
  if (flags.json) console.log(JSON.stringify(jsonOf(plan, isWanted), null, 2))
  return plan.conflicts.length > 0 ? UNRESOLVED : DONE
}

/** Whether a person wants the plan. Where nobody can be asked, the command itself is the answer. */
async function confirmed({ changes }: Plan): Promise<boolean> {
  return !canAsk() || asked(`Change ${changes.length} files? [Y/n] `)
}

const canAsk = (): boolean => process.stdin.isTTY === true && process.stderr.isTTY === true

/** Whether a person answers yes on the terminal. */
async function asked(question: string): Promise<boolean> {
  const reader = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await reader.question(`\n${question}`)
  reader.close()
  return !/^n/i.test(answer.trim())
}

function checkUpdate(checkout: Checkout, host: Host, { json }: Flags): number {
  const receipt = requireReceipt(host)
  const waiting = waitingFiles(host, receipt)
  const plan = waiting.length > 0 ? null : planUpdate(checkout, host)
  const hasUpdate = (plan?.changes.length ?? 0) > 0
  const result = {
    version: receipt.version,
    commit: receipt.commit,
    available: { version: checkout.version, commit: checkout.commit },
    hasUpdate,
    files: plan?.changes.length ?? 0,
    conflicts: plan?.conflicts ?? [],
    unresolved: waiting,
  }
  if (json) console.log(JSON.stringify(result, null, 2))
  for (const path of waiting) say(`${path} waits for you to merge it.`)
  if (waiting.length > 0) return UNRESOLVED
  say(
    hasUpdate
      ? `An update changes ${result.files} files. Run tollgate update.`
      : 'Everything is up to date.',
  )
  return hasUpdate ? HAS_UPDATE : DONE
}

function diff(host: Host, below: string | undefined, { json }: Flags): number {
  const receipt = requireReceipt(host)
  const changes = hostChanges(host, receipt, below?.replace(/^\.\//, ''))
  if (json) console.log(JSON.stringify({ changes }, null, 2))
  else
    for (const { path, status, patch } of changes)
      process.stdout.write(patch ?? `${path}: ${status}\n`)
  say(
    changes.length === 0
      ? 'You changed none of the copied files.'
      : `You changed ${changes.length} copied files.`,
  )
  return DONE
}

function env(checkout: Checkout, host: Host, { check, json }: Flags): number {
  const variables = variablesOf(checkout, host, requireReceipt(host))
  const missing = variables.filter(({ isRequired, isSet }) => isRequired && !isSet)
  if (json)
    console.log(JSON.stringify({ variables, missing: missing.map(({ name }) => name) }, null, 2))
  else {
    for (const { name, isRequired, isSet, about } of check ? missing : variables) {
      const state = isSet ? 'set' : isRequired ? 'MISSING' : 'not set'
      process.stdout.write(`${name.padEnd(44)} ${state.padEnd(8)} ${about}\n`)
    }
  }
  if (missing.length > 0)
    say(
      `${missing.length} required variables are not set: ${missing.map(({ name }) => name).join(', ')}.`,
    )
  return check && missing.length > 0 ? FAILED : DONE
}
