/**
 * The checks of the host's folder: Node, copies of packages that must exist once, secrets in git, tests, and the way
 * back before a deployment.
 *
 * @module
 */

import { execFileSync } from 'node:child_process'
import { basename, relative } from 'node:path'
import { type Check, type CheckResult, failed, passed, skipped } from '../checks.ts'
import { type Installed, installedFor } from './installed.ts'
import { runPackageTests } from './package-tests.ts'

/** Packages of which a process must load one copy, because they hold state or compare classes. */
const SINGLE = [
  'react',
  'react-dom',
  'better-auth',
  '@better-auth/core',
  '@prisma/client',
  'stripe',
]

/** The packages whose tests are run. */
const TESTED = ['auth', 'billing', 'email']

/** The checks of the host in `folder`. */
export function hostChecks(
  folder: string,
  { isLive, runsTests }: { isLive: boolean; runsTests: boolean },
): Check[] {
  return [
    { id: 'host.node', run: () => node(process.versions.node) },
    { id: 'host.copies', run: () => copiesCheck(installedFor(folder)) },
    { id: 'host.secrets', run: () => committedSecrets(folder) },
    ...(isLive
      ? [
          { id: 'host.way-back', run: () => wayBack(folder) },
          { id: 'host.backups', run: backups },
        ]
      : []),
    {
      id: 'host.tests',
      run: () =>
        runsTests
          ? tests(testedFor(folder))
          : skipped('The tests of the packages were not run.', 'Add --tests, which takes minutes.'),
    },
  ]
}

function node(version: string): CheckResult {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 20 || (major === 20 && minor >= 19)
    ? passed(`Node ${version} runs.`)
    : failed(`Node ${version} runs, and 20.19 is the oldest that works.`, 'Install a newer Node.')
}

/** Finds packages of which the app would load several copies. */
export function copiesCheck(installed: readonly Installed[]): CheckResult {
  if (installed.length < 2)
    return skipped('No packages are installed here.', 'Install them, and run the check again.')
  const wrong = SINGLE.flatMap((name) => {
    const copies = installed.filter((each) => each.name === name)
    if (copies.length < 2) return []
    const from = copies.map(({ version, by }) => `${version} by ${by}`)
    return [`${name} (${from.join(', ')})`]
  })
  if (wrong.length === 0) {
    const once = SINGLE.filter((name) => installed.some((each) => each.name === name))
    return passed(
      `${installed.length} packages are installed, and of ${once.join(', ')} one copy each.`,
    )
  }
  return failed(
    `The app would load several copies of ${wrong.join('; ')}.`,
    'Let all packages ask for one version, with an override in your package.json or pnpm-workspace.yaml.',
  )
}

/** A file with secrets, `.dev.vars` where the host runs on Workers; the examples have none. */
const ENV_FILE = /(^|\/)\.(env|dev\.vars)(\.(?!.*example)[\w.-]+)?$/

function committedSecrets(folder: string): CheckResult {
  // The whole repository, because the folder may be one app of several.
  const files = git(folder, 'ls-files', '-z', '--full-name', '--', ':/')
  if (files === null) return skipped('The folder is in no git repository.')
  const named = files.split('\0').filter((path) => ENV_FILE.test(path))
  if (named.length === 0) return passed('No file with secrets is in git.')
  return failed(
    `Files with secrets are in git: ${named.join(', ')}.`,
    'git rm --cached them, list them in .gitignore, and replace every secret they held.',
  )
}

function wayBack(folder: string): CheckResult {
  const changed = git(folder, 'status', '--porcelain', '--', '.')
  if (changed === null)
    return failed(
      'The folder is in no git repository, so there is no version to go back to.',
      'Commit what you deploy.',
    )
  if (changed !== '') {
    const count = changed.split('\n').length
    return failed(
      `${count} files have changes that are not committed, so this version cannot be deployed again.`,
      'Commit what you deploy.',
    )
  }
  const earlier = git(folder, 'rev-parse', '--short', 'HEAD~1')
  return earlier === null
    ? failed(
        'The repository has one commit, so there is no earlier version to go back to.',
        'Deploy once with a commit before this one.',
      )
    : passed(
        `Everything is committed, and ${earlier} can be deployed again. Migrations go forward only, so it would run on the new tables.`,
      )
}

const backups = (): CheckResult =>
  skipped(
    'Whether the database can be restored to a point in time cannot be measured from here.',
    'Look at your provider of PostgreSQL, and restore once into another database before you need it.',
  )

/** The folders of the copied packages that the host in `folder` uses, by the names of their parts. */
export const testedFor = (folder: string): { name: string; folder: string }[] =>
  installedFor(folder).flatMap(({ name, folder: at, isOwn }) => {
    const part = basename(name)
    return isOwn && name.startsWith('@') && TESTED.includes(part) ? [{ name, folder: at }] : []
  })

async function tests(packages: readonly { name: string; folder: string }[]): Promise<CheckResult> {
  if (packages.length === 0)
    return skipped('None of the copied packages is in the dependencies of this package.')
  const broken: string[] = []
  let total = 0
  for (const { name, folder } of packages) {
    const result = await runPackageTests(folder)
    total += result.total
    if (!result.isPassed) broken.push(`${name}: ${result.failures.join(', ')}`)
  }
  const names = packages.map(({ name }) => name).join(', ')
  return broken.length === 0
    ? passed(`All ${total} tests of ${names} pass.`)
    : failed(
        `Tests fail. ${broken.join('; ')}`,
        `Run vitest in ${relative(process.cwd(), packages[0]?.folder ?? '') || '.'} and its neighbours.`,
      )
}

function git(folder: string, ...args: string[]): string | null {
  try {
    return execFileSync('git', ['-C', folder, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return null
  }
}
