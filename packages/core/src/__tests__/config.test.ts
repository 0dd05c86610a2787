/** The host's configuration is found, read and refused in one sentence; importing it does nothing. */

import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { findConfig, openHost, readEnvFiles } from '../cli/index.ts'
import { defineConfig, workOf } from '../config.ts'
import { defineJob } from '../job.ts'

let root: string
beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'tollgate-config-')))
})
afterEach(() => rm(root, { recursive: true }))

async function write(path: string, text: string): Promise<string> {
  const file = join(root, path)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, text)
  return file
}

const INSTANCE = `{ jobs: [], cron: [] }`

describe('the environment files', () => {
  test('a variable of the process wins, then .env.local, then .env; an empty variable counts as set', async () => {
    await write('.env', 'A=env\nB=env\nC="with a # in it"\nE=env\nF=env\n')
    await write('.env.local', 'A=local\nB=local\nE=\n')
    const environment: Record<string, string | undefined> = { A: 'process', F: '' }
    expect(readEnvFiles(root, environment)).toEqual(['.env.local', '.env'])
    expect(environment).toEqual({ A: 'process', B: 'local', C: 'with a # in it', E: '', F: '' })
  })

  test('may be missing, and one that cannot be read is named', async () => {
    const environment = {}
    expect(readEnvFiles(root, environment)).toEqual([])
    expect(environment).toEqual({})
    await mkdir(join(root, '.env'))
    expect(() => readEnvFiles(root, environment)).toThrow(`${root}/.env cannot be read (EISDIR).`)
  })
})

describe('the file', () => {
  test('is the nearest one, from the working directory upwards', async () => {
    const outer = await write('tollgate.config.mjs', `export default { billing: ${INSTANCE} }`)
    const inner = await write('apps/web/tollgate.config.ts', `export const auth = ${INSTANCE}`)
    await mkdir(join(root, 'apps/web/src/deep'), { recursive: true })
    expect(findConfig(join(root, 'apps/web/src/deep'))).toBe(inner)
    expect(findConfig(join(root, 'apps'))).toBe(outer)
    const host = await openHost({ cwd: join(root, 'apps/web/src') })
    expect(host).toMatchObject({ folder: join(root, 'apps/web'), file: '../tollgate.config.ts' })
    expect(host.config?.auth).toEqual({ jobs: [], cron: [] })
    expect(host.config?.billing).toBeUndefined()
  })

  test('may be missing, unless it was named', async () => {
    expect(await openHost({ cwd: root })).toEqual({ folder: root, file: null, config: null })
    await expect(openHost({ cwd: root, path: 'other.ts' })).rejects.toMatchObject({
      code: 'config_not_found',
      message: 'The configuration file other.ts does not exist.',
    })
  })

  test.each([
    ['export const plans = {}', 'exports no instance: write export default defineConfig('],
    ['export default null', 'exports no instance'],
    ['export default { auth: 1 }', 'exports auth, which is not an instance.'],
    [
      'export default { get billing() { throw new Error("no\\nbilling") } }',
      'cannot be used: no b',
    ],
    [
      'throw new Error("sk_test_0123456789abcdef is refused")',
      'cannot be loaded: sk_test_…cdef is',
    ],
    ['import "./nowhere.mjs"\nexport default {}', 'cannot be loaded: '],
  ])('%j is refused with a sentence', async (text, message) => {
    await write('tollgate.config.mjs', text)
    const error = await openHost({ cwd: root }).then(
      () => null,
      (reason: Error) => reason,
    )
    expect(error).toMatchObject({ code: 'invalid_config' })
    expect(error?.message).toContain(`tollgate.config.mjs ${message}`)
    expect(error?.message).not.toContain('\n')
  })

  test('as a process with tsx: TypeScript in a package of either module kind, and a file that does not parse', async () => {
    const ours = fileURLToPath(new URL('..', import.meta.url))
    const config = `
      import { defineConfig } from '${ours}config.ts'
      import { part } from './part'
      export default defineConfig(() => ({ billing: part as { jobs: []; cron: [] } }))`
    for (const type of ['module', 'commonjs']) {
      await write(`${type}/package.json`, JSON.stringify({ type }))
      await write(`${type}/tollgate.config.ts`, config)
      await write(`${type}/part.ts`, `export const part: object = ${INSTANCE}`)
    }
    await write('broken/tollgate.config.ts', 'export default defineConfig({')
    const script = `
      const { openHost } = await import('${ours}cli/index.ts')
      for (const cwd of ['module', 'commonjs', 'broken']) {
        await openHost({ cwd: '${root}/' + cwd }).then(
          ({ config }) => console.log(JSON.stringify(config.billing)),
          ({ message }) => console.log(message))
      }`
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', script],
      { cwd: dirname(ours), env: {} },
    )
    const [module, commonjs, broken, ...rest] = stdout.trimEnd().split('\n')
    expect([module, commonjs]).toEqual(Array(2).fill('{"jobs":[],"cron":[]}'))
    expect(broken).toMatch(/^tollgate\.config\.ts cannot be loaded: .*:1:29: .*\.$/)
    expect(rest).toEqual([])
  })
})

describe('defineConfig', () => {
  test('a function is called once, when a part is needed', () => {
    let calls = 0
    const config = defineConfig(() => {
      calls += 1
      return { billing: { jobs: [], cron: [], own: 7 } }
    })
    expect(calls).toBe(0)
    expect(config.billing.own).toBe(7)
    expect(config.billing.jobs).toEqual([])
    expect(calls).toBe(1)
  })

  test('the host’s jobs and cron entries are those of its instances and its own', () => {
    const job = (name: string) => defineJob({ name, parse: () => ({}), run: async () => {} })
    const [mail, events, own] = [job('auth.mail'), job('billing.events'), job('own')]
    const cron = [{ pattern: '* * * * *', job: 'billing.events' }]
    const parts = { auth: { jobs: [mail], cron: [] }, billing: { jobs: [events], cron } }
    const nightly = { pattern: '0 3 * * *', job: 'own' }
    const work = workOf(defineConfig({ ...parts, jobs: [own], cron: [nightly] }))
    expect(work).toEqual({ jobs: [[mail], [events], [own]], cron: [...cron, nightly] })
    expect(workOf({ billing: parts.billing })).toEqual({ jobs: [[events], []], cron })
  })
})
