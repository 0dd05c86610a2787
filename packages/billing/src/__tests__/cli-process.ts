/**
 * `pnpm billing …`, and all that it ever said: inside the test's own process with modules that are loaded anew,
 * and as a process of its own where that is what a test is about.
 */

import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, vi } from 'vitest'
import { type Harness, SECRET_KEY, WEBHOOK_SECRET } from './harness.ts'

const CLI = fileURLToPath(new URL('../cli.ts', import.meta.url))
// From a host's folder, too, which need not have it.
export const TSX = import.meta.resolve('tsx')
export const DB_PASSWORD = 'a-database-password'

export interface Run {
  code: number | null
  stdout: string
  /** Without the line that says what it acts on. */
  stderr: string
  /** That line; empty where the command was refused before. */
  actsOn: string
  /** Standard output as the one JSON document it must be, without the `target` that each has. */
  json(): Record<string, unknown>
  target(): Record<string, unknown>
}

/** Runs commands against the harness's database and stand-in. */
export function createCli(h: Pick<Harness, 'databaseUrl' | 'url'>, { cwd }: { cwd?: string } = {}) {
  const database = new URL(h.databaseUrl)
  // A trusting server takes any password, and no message may show it.
  if (!database.password) database.password = DB_PASSWORD
  const environment = {
    DATABASE_URL: database.href,
    STRIPE_SECRET_KEY: SECRET_KEY,
    STRIPE_API_BASE: h.url,
    STRIPE_WEBHOOK_SECRET: WEBHOOK_SECRET,
    APP_URL: 'http://localhost:3000',
  }
  const said: string[] = []
  let last: Promise<unknown> = Promise.resolve()
  return {
    said: () => said.join(''),
    /**
     * Without a terminal. `env` lies over the complete environment. A process of its own takes two seconds,
     * and is needed where the database is another one: its client is the process's.
     */
    async run(
      args: string[],
      env: Record<string, string> = {},
      { asProcess = false }: { asProcess?: boolean } = {},
    ): Promise<Run> {
      const all = { ...environment, ...env }
      // One at a time: environment and streams are the process's.
      const turn = last.then(() => (asProcess ? spawned : ran)(args, all, cwd))
      last = turn.catch(() => {})
      const [code, stdout, whole] = await turn
      said.push(stdout, whole)
      const [, actsOn = '', stderr = ''] = /^(On [^\n]*\n)?([\s\S]*)$/.exec(whole) ?? []
      const document = () => {
        expect(stdout.trimEnd()).not.toContain('\n')
        return JSON.parse(stdout) as { target: Record<string, unknown> }
      }
      return {
        code,
        stdout,
        stderr,
        actsOn,
        json() {
          const { target, ...result } = document()
          expect(target).toHaveProperty('database')
          return result
        },
        target: () => document().target,
      }
    },
  }
}

/**
 * `args` to the command line, with nothing in the environment but `env`. The modules are loaded anew, so that
 * the default instance is made of this environment.
 */
async function ran(
  args: string[],
  env: Record<string, string>,
  cwd?: string,
): Promise<[code: number, stdout: string, stderr: string]> {
  const before = { env: process.env, cwd: process.cwd() }
  const out: string[] = []
  const err: string[] = []
  const into = (lines: string[]) => (chunk: unknown) => {
    lines.push(String(chunk))
    return true
  }
  const streams = [
    vi.spyOn(process.stdout, 'write').mockImplementation(into(out)),
    vi.spyOn(process.stderr, 'write').mockImplementation(into(err)),
  ]
  process.env = { PATH: process.env.PATH ?? '', ...env }
  if (cwd !== undefined) process.chdir(cwd)
  try {
    vi.resetModules()
    const { runCommand } = await import('../cli/run.ts')
    const code = await runCommand(args)
    return [code || Number(process.exitCode ?? 0), out.join(''), err.join('')]
  } finally {
    process.exitCode = undefined
    for (const stream of streams) stream.mockRestore()
    process.env = before.env
    process.chdir(before.cwd)
  }
}

/** `args` to the command line in `script`; without anything in the environment but `env`. */
export async function spawned(
  args: string[],
  env: Record<string, string>,
  cwd?: string,
  script = CLI,
): Promise<[code: number | null, stdout: string, stderr: string]> {
  const child = spawn(process.execPath, ['--conditions=source', '--import', TSX, script, ...args], {
    ...(cwd === undefined ? {} : { cwd }),
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((done) => child.once('close', done)),
  ])
  return [code, stdout, stderr]
}
