/**
 * `tollgate dev`: runs the host's own copy of the local services, which is `src/dev/cli.ts` of its sandbox, so that a
 * host needs no checkout for it. Everything but `--into` and `--app` goes to that program.
 *
 * @module
 */

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { CreateError } from './errors.ts'
import { openHost } from './host.ts'
import { requireReceipt } from './plan-update.ts'

/** The program of a host, as it is started. */
export interface DevProgram {
  /** The host's root, from which the program's loader is found. */
  folder: string
  /** The arguments of Node.js. */
  args: string[]
}

/** The program for the words after `dev`. @throws `receipt_not_found`, `usage` */
export function devProgram(words: readonly string[]): DevProgram {
  const end = words.includes('--') ? words.indexOf('--') : words.length
  const { into = '.', app, rest } = ownWords(words.slice(0, end))
  const host = openHost(into)
  const receipt = requireReceipt(host)
  const folders = receipt.layout.folders
  const cli = folders.sandbox && join(host.folder, folders.sandbox, 'src/dev/cli.ts')
  if (!cli || !existsSync(cli)) {
    throw new CreateError(
      'usage',
      'This host has no sandbox, which has the local services. Add auth or billing, or update it.',
    )
  }
  try {
    createRequire(join(host.folder, 'package.json')).resolve('tsx')
  } catch {
    throw new CreateError('usage', `Install the packages of ${host.folder} first.`)
  }
  const own = app ?? receipt.wiring?.app ?? receipt.app ?? folders.web ?? ''
  const args = ['--conditions=source', '--import', 'tsx', cli, '--into', resolve(host.folder, own)]
  return { folder: host.folder, args: [...args, ...rest, ...words.slice(end)] }
}

function ownWords(words: readonly string[]) {
  const found: { into?: string; app?: string } = {}
  const rest: string[] = []
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? ''
    const flag = word.split('=')[0]
    if (flag !== '--into' && flag !== '--app') {
      rest.push(word)
      continue
    }
    const joined = word.includes('=') ? word.slice(flag.length + 1) : undefined
    const value = joined ?? words[++at]
    if (!value) throw new CreateError('usage', `${flag} is empty. Name a folder.`)
    found[flag === '--into' ? 'into' : 'app'] = value
  }
  return { ...found, rest }
}

/** Runs the program until it ends, and returns its exit code. */
export function runDev(words: readonly string[]): Promise<number> {
  const { folder, args } = devProgram(words)
  const child = spawn(process.execPath, args, { cwd: folder, stdio: 'inherit' })
  // Ctrl-C reaches the program as well, which stops everything before it ends.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => void child.kill(name))
  }
  return new Promise((done, fail) => {
    child.once('error', fail)
    child.once('exit', (code) => done(code ?? 1))
  })
}
