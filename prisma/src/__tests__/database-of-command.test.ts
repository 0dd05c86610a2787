/** A database command works on the database that the host names, says which it is, and takes no other. */

import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { databaseTargetOf, pendingMigrations } from '../index.ts'
import { createTestDatabase } from '../testing/index.ts'

const CLI = fileURLToPath(new URL('../cli.ts', import.meta.url))
const JOBS = fileURLToPath(new URL('../../../packages/jobs/src/cli.ts', import.meta.url))
const TSX = fileURLToPath(import.meta.resolve('tsx'))

let folder: string
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'tollgate-commands-')))
})
afterEach(() => rm(folder, { recursive: true }))

/** A command in the folder of a host. */
async function cli(args: string[], env: Record<string, string> = {}, cwd = folder) {
  const all = ['--conditions=source', '--import', TSX, ...args]
  const options = { cwd, env: { PATH: process.env.PATH ?? '', ...env } }
  return promisify(execFile)(process.execPath, all, options).then(
    (done) => ({ code: 0, ...done }),
    ({ code, stdout, stderr }) => ({ code: code as number, stdout, stderr }),
  )
}

test('without DATABASE_URL the commands refuse, say what to set, and leave the demo’s database alone', async () => {
  const runs = await Promise.all([
    cli([CLI, 'migrate']),
    cli([CLI, 'reset', '--force'], { DATABASE_URL: '' }),
    cli([CLI, 'grant', 'app']),
    cli([JOBS, 'migrate']),
  ])
  for (const run of runs) {
    expect(run).toMatchObject({ code: 1, stdout: '' })
    expect(run.stderr).toContain(
      `needs DATABASE_URL: set it, or write it into ${folder}/.env.local`,
    )
    expect(run.stderr.trimEnd()).not.toContain('\n')
  }
})

test('the commands read .env.local and .env beside the configuration, and print only host and name', async () => {
  const database = await createTestDatabase(inject('postgres'))
  const url = new URL(database.url)
  url.password = 'a-database-password'
  await mkdir(join(folder, 'app/src'), { recursive: true })
  await writeFile(join(folder, 'app/tollgate.config.ts'), 'throw new Error("is not loaded")')
  await writeFile(join(folder, 'app/.env'), 'DATABASE_URL=postgresql://nobody@127.0.0.1:1/none\n')
  await writeFile(join(folder, 'app/.env.local'), `DATABASE_URL="${url.href}"\n`)
  const run = await cli([CLI, 'migrate'], {}, join(folder, 'app/src'))
  expect(run).toMatchObject({ code: 0, stdout: '' })
  expect(run.stderr).toMatch(/^Database \S+\n/)
  expect(run.stderr).toContain(`Database ${url.host}${url.pathname}\n`)
  expect(run.stderr).not.toContain('password')
  expect(await pendingMigrations(database.url)).toEqual([])
  await database.drop()
})

test.each([
  ['postgresql://me:secret@db.example:6543/app?sslmode=require', 'db.example:6543', 'app'],
  ['postgresql://me@db.example', 'db.example', 'me'],
  ['postgresql:///app?host=/var/run/postgresql', '/var/run/postgresql', 'app'],
  ['postgresql://me@[::1]:5432/my%20app', '[::1]:5432', 'my app'],
])('%s is %s, %s', (url, host, name) => {
  expect(databaseTargetOf(url)).toEqual({ host, name })
})
