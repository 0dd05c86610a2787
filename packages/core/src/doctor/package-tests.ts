/**
 * Runs the tests of copied packages with their own Vitest, one package after the other.
 *
 * @module
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** The result of a package's tests. */
export interface PackageTests {
  /** The package's folder. */
  folder: string
  isPassed: boolean
  /** How many tests there are. */
  total: number
  /** How many of them failed. */
  failed: number
  /** The names of some tests that failed, or why none ran. */
  failures: string[]
}

/** How many tests that failed are named. */
const MOST_NAMED = 5

/** Runs the tests of the package in `folder`. A package without tests has failed. */
export async function runPackageTests(folder: string): Promise<PackageTests> {
  const failedWith = (why: string): PackageTests => ({
    folder,
    isPassed: false,
    total: 0,
    failed: 0,
    failures: [why],
  })
  const runner = runnerFor(folder)
  if (runner === null) return failedWith('Vitest is not installed.')
  const scratch = mkdtempSync(join(tmpdir(), 'tests-'))
  try {
    const outputFile = join(scratch, 'result.json')
    const child = spawn(
      process.execPath,
      [runner, 'run', '--reporter=json', `--outputFile=${outputFile}`],
      {
        cwd: folder,
        stdio: ['ignore', 'ignore', 'pipe'],
        // A host's production settings are not those of its tests.
        env: { ...process.env, NODE_ENV: 'test', NODE_OPTIONS: '' },
      },
    )
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => {
      said = `${said}${chunk}`.slice(-2_000)
    })
    const [code] = (await once(child, 'exit')) as [number | null]
    if (!existsSync(outputFile)) {
      const last = said.split('\n').flatMap((line) => line.trim() || [])
      return failedWith(last.at(-1) ?? `Vitest ended with ${code}.`)
    }
    return readResult(folder, outputFile)
  } catch (error) {
    return failedWith(error instanceof Error ? error.message : String(error))
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

interface VitestResult {
  success: boolean
  numTotalTests: number
  numFailedTests: number
  testResults: {
    name: string
    status: string
    message?: string
    assertionResults: { status: string; fullName: string }[]
  }[]
}

function readResult(folder: string, file: string): PackageTests {
  const { success, numTotalTests, numFailedTests, testResults } = JSON.parse(
    readFileSync(file, 'utf8'),
  ) as VitestResult
  const failures = testResults.flatMap(({ status, message, assertionResults }) => {
    const names = assertionResults.flatMap((each) =>
      each.status === 'failed' ? [each.fullName] : [],
    )
    return names.length === 0 && status === 'failed'
      ? [message?.split('\n')[0] ?? 'A file failed.']
      : names
  })
  return {
    folder,
    isPassed: success && numTotalTests > 0,
    total: numTotalTests,
    failed: numFailedTests,
    failures: numTotalTests === 0 ? ['There are no tests.'] : failures.slice(0, MOST_NAMED),
  }
}

function runnerFor(folder: string): string | null {
  try {
    const manifest = createRequire(join(folder, 'package.json')).resolve('vitest/package.json')
    return join(dirname(manifest), 'vitest.mjs')
  } catch {
    return null
  }
}
