/**
 * Examines a host: composes the checks that the instances of `tollgate.config.ts` offer with those of the folder, and
 * runs each once.
 *
 * @module
 */

import {
  type Check,
  type CheckResult,
  type CheckRun,
  failed,
  type InstanceChecks,
} from '../checks.ts'
import { type Host, openHost } from '../cli/index.ts'
import type { ConfiguredInstance } from '../config.ts'
import { isTollgateError } from '../errors.ts'
import { maskText } from '../mask.ts'
import { hostChecks } from './host-checks.ts'
import type { DoctorReport, DoctorWatcher, Finding } from './report.ts'

/** What to examine. */
export interface DoctorOptions extends CheckRun {
  /** Whether the tests of the copied packages are run, which takes minutes. */
  runsTests: boolean
  /** Ids, or areas such as `auth`. Null: all checks. */
  only: readonly string[] | null
  /** The path of the configuration. Default: the nearest one. */
  config?: string
  /** The working directory. Default: the process's. */
  cwd?: string
}

/** How long a check may take. Tests of packages have no limit. */
const LONGEST_MS = 120_000

/** Examines the host of the working directory. Never throws: what cannot be opened is a failed check. */
export async function examine(
  options: DoctorOptions,
  watcher: DoctorWatcher = {},
): Promise<DoctorReport> {
  const opened = await open(options)
  const groups: InstanceChecks[] = [...opened.groups]
  const checks = chosen(groups, options)
  const actsOn = [...new Set(groups.flatMap((group) => group.actsOn))]
  watcher.begun?.({ config: opened.file, actsOn }, checks.length)
  const findings: Finding[] = []
  try {
    for (const check of checks) {
      watcher.started?.(check.id, findings.length, checks.length)
      const finding = await measure(check)
      findings.push(finding)
      watcher.found?.(finding)
    }
  } finally {
    for (const group of groups) await group.close?.().catch(() => {})
  }
  const count = (state: CheckResult['state']) =>
    findings.filter((finding) => finding.state === state).length
  const counts = { ok: count('ok'), failed: count('failed'), skipped: count('skipped') }
  const { isLive } = options
  return {
    isOk: counts.failed === 0,
    isLive,
    config: opened.file,
    actsOn,
    counts,
    checks: findings,
  }
}

async function open(
  options: DoctorOptions,
): Promise<{ file: string | null; groups: InstanceChecks[] }> {
  const { config: path, cwd = process.cwd() } = options
  let host: Host
  try {
    host = await openHost({ cwd, ...(path === undefined ? {} : { path }) })
  } catch (error) {
    const group = onlyCheck('config.loads', () =>
      failed(messageOf(error), 'Correct it first: the other checks need the instances.'),
    )
    return { file: path ?? null, groups: [group, hostGroup(cwd, options)] }
  }
  if (host.config === null) {
    const group = onlyCheck('config.loads', () =>
      failed(
        'No tollgate.config.ts was found in this folder or above it.',
        'Write one beside your package.json: export default defineConfig({ auth, billing }).',
      ),
    )
    return { file: null, groups: [group, hostGroup(host.folder, options)] }
  }
  const groups: InstanceChecks[] = []
  for (const name of ['auth', 'billing'] as const) {
    const instance: ConfiguredInstance | undefined = host.config[name]
    if (instance === undefined) continue
    groups.push(await groupOf(name, instance, options))
  }
  return { file: host.file, groups: [...groups, hostGroup(host.folder, options)] }
}

async function groupOf(
  name: string,
  instance: ConfiguredInstance,
  run: CheckRun,
): Promise<InstanceChecks> {
  try {
    const group = await instance.checks?.(run)
    if (group) return group
    return onlyCheck(`config.${name}`, () =>
      failed(
        `${name} has no checks.`,
        `Export the instance that create${name === 'auth' ? 'Auth' : 'Billing'} made.`,
      ),
    )
  } catch (error) {
    return onlyCheck(`config.${name}`, () =>
      failed(messageOf(error), 'Correct it, and run the doctor again.'),
    )
  }
}

const onlyCheck = (id: string, run: Check['run']): InstanceChecks => ({
  actsOn: [],
  checks: [{ id, run }],
})

const hostGroup = (folder: string, options: DoctorOptions): InstanceChecks => ({
  actsOn: [],
  checks: hostChecks(folder, options),
})

/**
 * Each check once: auth and billing share a database, a queue and a sender. A name that no check has fails, because
 * nothing would be measured in its place; where the configuration is broken, that is told instead.
 */
function chosen(groups: readonly InstanceChecks[], { only }: DoctorOptions): Check[] {
  const seen = new Set<string>()
  const isNamed = (id: string, name: string) => id === name || id.startsWith(`${name}.`)
  const ids = groups.flatMap(({ checks }) => checks.map(({ id }) => id))
  const isBroken = ids.some((id) => id.startsWith('config.'))
  const unknown = (only ?? []).filter((name) => !ids.some((id) => isNamed(id, name)))
  const isWanted = (id: string) =>
    only === null ||
    only.some((name) => isNamed(id, name)) ||
    (unknown.length > 0 && id.startsWith('config.'))
  const areas = [...new Set(ids.map((id) => id.split('.')[0]))].join(', ')
  const nameless = (isBroken ? [] : unknown).map(
    (name): Check => ({
      id: `only.${name}`,
      run: () => failed('No check and no area has this name.', `The areas here are ${areas}.`),
    }),
  )
  const named = groups.flatMap(({ checks, actsOn }) => {
    // Instances with different databases are examined each for itself.
    const [database = ''] = actsOn[0]?.split(',') ?? []
    return checks.filter(({ id }) => {
      const key = /^(database|jobs)\./.test(id) ? `${id} ${database}` : id
      if (seen.has(key) || !isWanted(id)) return false
      seen.add(key)
      return true
    })
  })
  return [...nameless, ...named]
}

async function measure({ id, run }: Check): Promise<Finding> {
  const began = Date.now()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<CheckResult>((done) => {
    if (id === 'host.tests') return
    const says = `The check did not end within ${LONGEST_MS / 1000} s.`
    timer = setTimeout(done, LONGEST_MS, failed(says, 'Look at what it waits for, and repeat it.'))
  })
  const measured = Promise.resolve()
    .then(run)
    .catch((error: unknown) =>
      failed(
        `The check could not be finished: ${messageOf(error)}`,
        'Correct that, and repeat it.',
      ),
    )
  const result = await Promise.race([measured, late])
  clearTimeout(timer)
  return { id, ...result, says: maskText(result.says), ms: Date.now() - began }
}

function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  const lines = message.split('\n').flatMap((line) => line.trim() || [])
  const shown = isTollgateError(error) ? lines : lines.slice(-2)
  const text = maskText(shown.join(' '))
  return /[.!?]$/.test(text) ? text : `${text}.`
}
