/** `tollgate doctor` runs the host's own copy of the doctor, in the folder of its configuration. */

import { execFile } from 'node:child_process'
import { mkdirSync, realpathSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { doctorOf } from '../doctor-command.ts'
import { openHost } from '../host.ts'
import { makeCheckout, temporaryFolder, write } from './fixture.ts'

const CLI = fileURLToPath(new URL('../cli.ts', import.meta.url))
const TSX = dirname(createRequire(import.meta.url).resolve('tsx/package.json'))

/** A doctor that says where it runs and with what, and found something. */
const MAIN = `
const args: string[] = process.argv.slice(2)
console.log(JSON.stringify({ cwd: process.cwd(), args, isSource: process.execArgv.includes('--conditions=source') }))
process.exitCode = 1
`

function run(...args: string[]): Promise<{ code: number; out: string; said: string }> {
  return new Promise((done) => {
    const child = execFile(
      process.execPath,
      ['--conditions=source', '--import', 'tsx', CLI, ...args],
      { cwd: dirname(CLI) },
      (_, out, said) => done({ code: child.exitCode ?? 1, out, said }),
    )
  })
}

async function hostOf(files: Record<string, string>, ...args: string[]): Promise<string> {
  const from = makeCheckout({ 'packages/core/src/doctor/main.ts': MAIN })
  const into = realpathSync(temporaryFolder())
  write(into, files)
  const { code, said } = await run('add', 'auth', '--into', into, '--from', from, ...args)
  expect([code, said]).toEqual([0, expect.any(String)])
  return into
}

function install(folder: string): void {
  mkdirSync(join(folder, 'node_modules'), { recursive: true })
  symlinkSync(TSX, join(folder, 'node_modules/tsx'))
}

test('the doctor of the host runs beside its configuration, with the flags, and its exit code counts', async () => {
  const into = await hostOf(
    {
      'package.json': JSON.stringify({ name: 'acme', workspaces: ['apps/*', 'libs/*'] }),
      'apps/web/package.json': JSON.stringify({ name: 'web' }),
      'apps/web/tollgate.config.ts': '',
    },
    '--app',
    'apps/web',
  )
  install(into)
  const { code, out } = await run('doctor', '--json', '--live', '--only', 'auth', '--into', into)
  expect(JSON.parse(out)).toEqual({
    cwd: join(into, 'apps/web'),
    args: ['--live', '--json', '--only', 'auth'],
    isSource: true,
  })
  expect(code).toBe(1)
  expect(doctorOf(openHost(into), []).args).toContain(join(into, 'libs/core/src/doctor/main.ts'))
})

test('a host that is not installed, has no receipt, or has no doctor yet is told what to do', async () => {
  const into = await hostOf({})
  expect(await run('doctor', '--into', into)).toMatchObject({
    code: 1,
    said: expect.stringContaining('are not installed. Run pnpm install there first.'),
  })
  const { code, out } = await run('doctor', '--json', '--into', temporaryFolder())
  expect([code, JSON.parse(out).error.code]).toEqual([1, 'receipt_not_found'])
  const older = realpathSync(temporaryFolder())
  await run('add', 'auth', '--into', older, '--from', makeCheckout())
  expect((await run('doctor', '--into', older)).said).toContain('Run tollgate update first.')
})
