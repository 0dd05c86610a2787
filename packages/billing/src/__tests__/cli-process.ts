/** `pnpm billing …` as a process of its own, and all that it ever said. */

import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
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
  return {
    said: () => said.join(''),
    /** Without a terminal. `env` lies over the complete environment. */
    async run(args: string[], env: Record<string, string> = {}): Promise<Run> {
      const [code, stdout, whole] = await spawned(args, { ...environment, ...env }, cwd)
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
