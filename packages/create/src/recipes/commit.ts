/**
 * `tollgate recipe <name> --commit`: uses a recipe, runs the tests of the copied packages, and commits the files of the
 * recipe alone; or takes its own change back. Other edits of the host, staged or not, stay as they are. The report says
 * only what has happened: a commit's hash where there is one, tests where they ran, a score that the doctor measured.
 *
 * @module
 */

import { execFile, execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { isTollgateError, maskText } from '@repo/core'
import { type DoctorReport, runPackageTests } from '@repo/core/doctor'
import { applyPlan, forgetLast } from '../apply.ts'
import type { Checkout } from '../checkout.ts'
import { doctorOf } from '../doctor-command.ts'
import { textOf } from '../files.ts'
import type { Host } from '../host.ts'
import type { Plan } from '../plan.ts'
import { requireReceipt } from '../plan-update.ts'
import { variablesOf } from '../variables.ts'
import { planRecipe, planRecipeUndo, requireRecipe } from './plan-recipe.ts'

/** The report of a recipe that was committed, or that had nothing to change. */
export interface DoneReport {
  task_completed: true
  files_modified: string[]
  /** Whether all tests passed; null where none ran. */
  tests_passed: boolean | null
  commit_message: string | null
  /** Null: nothing was committed. */
  commit_hash: string | null
  /** The share of the doctor's checks that are in order, from 0 to 1; null where it could not examine the host. */
  self_score: number | null
  self_critique: string
  risk_level: 'low' | 'medium' | 'high'
}

/** The report of a recipe that failed. */
export interface FailedReport {
  task_completed: false
  /** A stable code. */
  reason: string
  error: string
  action_taken: string
}

/** What to commit. */
export interface CommitRequest {
  checkout: Checkout
  host: Host
  name: string | undefined
  /** Whether the recipe is taken back. */
  undo: boolean
  /** Writes a line for people. */
  say(line: string): void
}

/** The documents that are read before anything is changed. */
const DOCUMENTS = ['CONTEXT.md', 'lastdiscussion.md']

/** The packages whose tests decide. */
const TESTED = ['auth', 'billing', 'email']

const NOTHING = 'Nothing was changed.'

/** A failure with what was done about it. */
class Refused extends Error {
  readonly reason: string
  readonly action: string

  constructor(reason: string, message: string, action = NOTHING) {
    super(message)
    this.reason = reason
    this.action = action
  }
}

/** Uses the recipe and commits it. Never throws. */
export async function commitRecipe(request: CommitRequest): Promise<DoneReport | FailedReport> {
  try {
    return await run(request)
  } catch (error) {
    const isRefused = error instanceof Refused
    return {
      task_completed: false,
      reason: isRefused ? error.reason : isTollgateError(error) ? error.code : 'internal_error',
      error: maskText(error instanceof Error ? error.message : String(error)),
      action_taken: isRefused ? error.action : NOTHING,
    }
  }
}

async function run({ checkout, host, name, undo, say }: CommitRequest): Promise<DoneReport> {
  const recipe = requireRecipe(name)
  const read = DOCUMENTS.filter((path) => {
    const file = host.read(path)
    return file !== null && textOf(file) !== null
  })
  for (const path of read) say(`Read ${path}.`)
  const git = gitIn(host.folder)
  if (!host.isInGit || git.ask('rev-parse', 'HEAD') === null) {
    throw new Refused(
      'no_repository',
      `${host.folder} is in no git repository with a commit. Commit the host first, or leave out --commit.`,
    )
  }
  const plan = undo ? planRecipeUndo(host, name) : planRecipe(checkout, host, name)
  const paths = plan.changes.map(({ path }) => path)
  const critique = [
    ...(read.length > 0 ? [`Read ${read.join(' and ')}.`] : ['The host has no CONTEXT.md.']),
    ...plan.notes.map(({ path, why }) => `${path}: ${why}`),
  ]
  if (paths.length === 0) {
    const examined = await measuredBy(host, say)
    return {
      task_completed: true,
      files_modified: [],
      tests_passed: null,
      commit_message: null,
      commit_hash: null,
      self_score: examined.score,
      self_critique: [...critique, 'Nothing had to be changed.', ...examined.words].join(' '),
      risk_level: 'low',
    }
  }
  // The commit holds whole files, so an edit of the host in one of them would become part of it.
  const edited = git.ask('status', '--porcelain', '--', ...paths)
  if (edited) {
    const files = edited.split('\n').map((line) => line.slice(3))
    throw new Refused(
      'uncommitted_changes',
      `The recipe changes files that have edits of yours, which are not committed: ${files.join(', ')}. Commit or stash them first.`,
    )
  }
  applyPlan(host.folder, plan)
  say(`Changed ${paths.length} files.`)
  const tests = await guarded(host, plan, () => testsOf(host, say))
  const commit_message = `[agent-auth-billing] ${undo ? `Take back: ${recipe.title}` : recipe.title}`
  const commit_hash = await guarded(host, plan, async () => git.commit(paths, commit_message))
  forgetLast(host.folder)
  say(`Committed ${commit_hash.slice(0, 10)}: ${commit_message}`)
  const examined = await measuredBy(host, say)
  const missing = undo ? [] : unset(checkout, host, recipe.variables)
  return {
    task_completed: true,
    files_modified: paths,
    tests_passed: tests.ran ? true : null,
    commit_message,
    commit_hash,
    self_score: examined.score,
    self_critique: [
      ...critique,
      tests.ran
        ? `${tests.total} tests of ${tests.names.join(', ')} passed.`
        : 'No tests ran, because none of auth, billing and email is copied.',
      ...(missing.length > 0 ? [`Not set yet: ${missing.join(', ')}.`] : []),
      ...examined.words,
    ].join(' '),
    risk_level: examined.hasFailed ? 'high' : recipe.risk,
  }
}

/** Runs `work`; where it fails or the process is to end, the change is taken back. */
async function guarded<T>(host: Host, plan: Plan, work: () => Promise<T>): Promise<T> {
  // The signal reaches the tests as well, which then fail: this process lives to take its change back.
  const ignore = () => {}
  for (const signal of SIGNALS) process.on(signal, ignore)
  try {
    return await work()
  } catch (error) {
    const changes = plan.changes.map(({ path, before, after }) => ({
      path,
      why: before ? ('edit' as const) : ('delete' as const),
      before: after,
      after: before,
    }))
    applyPlan(host.folder, { ...plan, command: 'recipe', changes })
    forgetLast(host.folder)
    const { message } = error as Error
    const reason = error instanceof Refused ? error.reason : 'commit_failed'
    throw new Refused(
      reason,
      message,
      `The ${changes.length} files of the recipe were taken back. Everything else stays as it was.`,
    )
  } finally {
    for (const signal of SIGNALS) process.off(signal, ignore)
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

async function testsOf(
  host: Host,
  say: (line: string) => void,
): Promise<{ ran: boolean; total: number; names: string[] }> {
  const { folders } = requireReceipt(host).layout
  const names = TESTED.filter((name) => folders[name] !== undefined)
  let total = 0
  for (const name of names) {
    say(`Tests of ${name} …`)
    const result = await runPackageTests(join(host.folder, folders[name] as string))
    total += result.total
    if (!result.isPassed)
      throw new Refused(
        'tests_failed',
        `The tests of ${name} failed: ${result.failures.join(', ')}`,
      )
  }
  return { ran: names.length > 0, total, names }
}

function gitIn(folder: string) {
  const run = (...args: string[]): string =>
    execFileSync('git', ['-C', folder, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).replace(/\n$/, '')
  const ask = (...args: string[]): string | null => {
    try {
      return run(...args)
    } catch {
      return null
    }
  }
  return {
    ask,
    /** Commits these paths and nothing else; what else is staged stays staged. Returns the hash. */
    commit(paths: readonly string[], message: string): string {
      try {
        // `commit --only` knows no file that git has never seen.
        run('add', '--', ...paths)
        run('commit', '--quiet', '--only', '-m', message, '--', ...paths)
      } catch (error) {
        ask('reset', '--quiet', '--', ...paths)
        const { stderr = '' } = error as { stderr?: string }
        const [first = 'git failed.'] = stderr.split('\n').filter((line) => line.trim() !== '')
        throw new Refused('commit_failed', `git could not commit: ${first}`)
      }
      return run('rev-parse', 'HEAD')
    },
  }
}

interface Examined {
  score: number | null
  hasFailed: boolean
  words: string[]
}

/** Lets the host's doctor examine its instances. */
async function measuredBy(host: Host, say: (line: string) => void): Promise<Examined> {
  const none = (why: string): Examined => ({
    score: null,
    hasFailed: false,
    words: [`The doctor could not examine the host: ${why}`],
  })
  let args: string[]
  let cwd: string
  try {
    ;({ args, cwd } = doctorOf(host, ['--json', '--only', 'config,auth,billing,host']))
  } catch (error) {
    return none(error instanceof Error ? error.message : String(error))
  }
  say('The doctor measures …')
  const out = await new Promise<string>((done) => {
    execFile(process.execPath, args, { cwd, maxBuffer: 16 * 2 ** 20 }, (_, stdout) => done(stdout))
  })
  try {
    const { counts, checks } = JSON.parse(out) as DoctorReport
    const measured = counts.ok + counts.failed
    const failed = checks.filter(({ state }) => state === 'failed').map(({ id }) => id)
    const words = `The doctor measured ${measured} things, and skipped ${counts.skipped}`
    return {
      score: measured === 0 ? null : Math.round((counts.ok / measured) * 100) / 100,
      hasFailed: failed.length > 0,
      words: [failed.length > 0 ? `${words}; wrong are ${failed.join(', ')}.` : `${words}.`],
    }
  } catch {
    return none('its answer cannot be read.')
  }
}

function unset(checkout: Checkout, host: Host, wanted: readonly string[]): string[] {
  const states = variablesOf(checkout, host, requireReceipt(host))
  return wanted.filter((name) => !states.some((state) => state.name === name && state.isSet))
}
