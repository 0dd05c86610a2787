/**
 * `tollgate doctor`: runs the doctor of the host itself, so that its own copies of the packages are examined, with its
 * own settings.
 *
 * @module
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { findConfig } from '@repo/core/cli'
import { CreateError } from './errors.ts'
import type { Host } from './host.ts'
import { requireReceipt } from './plan-update.ts'
import { commandsOf } from './steps.ts'

/** A program of a host, as a process to start. */
export interface HostProgram {
  /** The folder with the configuration. */
  cwd: string
  /** The arguments for Node. */
  args: string[]
}

/** The doctor of a host. @throws as `hostProgram` */
export const doctorOf = (host: Host, flags: readonly string[]): HostProgram =>
  hostProgram(host, 'core', 'src/doctor/main.ts', flags)

/**
 * A program of a part, with the host's configuration. `file` is its path in the part.
 *
 * @throws `receipt_not_found`, `invalid_host` where the part lacks the program, or the packages are not installed
 */
export function hostProgram(
  host: Host,
  part: string,
  file: string,
  flags: readonly string[],
): HostProgram {
  const { layout, app, wiring } = requireReceipt(host)
  const main = join(host.folder, layout.folders[part] ?? `packages/${part}`, file)
  if (!existsSync(main)) {
    throw new CreateError(
      'invalid_host',
      `${main} does not exist: the copied packages have no ${part}, or one of an older version. Run tollgate update first.`,
    )
  }
  const folders = [wiring?.app, app, layout.folders.web, ''].flatMap((each) =>
    each === undefined || each === null ? [] : [join(host.folder, each)],
  )
  const cwd = folders.find((folder) => findConfig(folder) !== null) ?? host.folder
  const loader = [cwd, host.folder].map(loaderFrom).find((found) => found !== null)
  if (!loader) {
    const { install } = commandsOf(layout.packageManager)
    throw new CreateError(
      'invalid_host',
      `The packages of ${host.folder} are not installed. Run ${install} there first.`,
    )
  }
  return { cwd, args: ['--conditions=source', '--import', loader, main, ...flags] }
}

/** The module with which Node reads TypeScript, as a host installs it; null if it is not installed. */
function loaderFrom(folder: string): string | null {
  try {
    return pathToFileURL(createRequire(join(folder, 'package.json')).resolve('tsx')).href
  } catch {
    return null
  }
}

/** Runs a program and returns what it printed. @throws `invalid_host` where it printed nothing. */
export async function outputOf({ cwd, args }: HostProgram): Promise<string> {
  const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  let printed = ''
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4_000)
  })
  await once(child, 'close')
  if (printed.trim() !== '') return printed
  throw new CreateError('invalid_host', said.trim() || 'The program ended without an answer.')
}

/** Runs the doctor with this process's terminal, and returns its exit code. */
export async function runDoctorOf(host: Host, flags: readonly string[]): Promise<number> {
  const { cwd, args } = doctorOf(host, flags)
  const child = spawn(process.execPath, args, { cwd, stdio: 'inherit' })
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}
