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

/** The doctor of a host, as a process to start. */
export interface DoctorProcess {
  /** The folder with the configuration. */
  cwd: string
  /** The arguments for Node. */
  args: string[]
}

/** Finds the doctor of a host. @throws `receipt_not_found`, `invalid_host` where the packages are not installed */
export function doctorOf(host: Host, flags: readonly string[]): DoctorProcess {
  const { layout, app, wiring } = requireReceipt(host)
  const main = join(host.folder, layout.folders.core ?? 'packages/core', 'src/doctor/main.ts')
  if (!existsSync(main)) {
    throw new CreateError(
      'invalid_host',
      `${main} does not exist: the copied packages are of a version without a doctor. Run tollgate update first.`,
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

/** Runs the doctor with this process's terminal, and returns its exit code. */
export async function runDoctorOf(host: Host, flags: readonly string[]): Promise<number> {
  const { cwd, args } = doctorOf(host, flags)
  const child = spawn(process.execPath, args, { cwd, stdio: 'inherit' })
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}
