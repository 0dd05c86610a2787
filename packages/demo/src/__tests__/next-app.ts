/**
 * The Next.js app as a host has it: the packages copied into a workspace of its own, installed, built
 * without a variable and started beside its services and its worker.
 */

import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { applyPlan, openCheckout, openHost, planAdd } from '@repo/create'
import { freePort } from '@repo/db/testing'
import { inFolder, type Running, run, start } from './processes.ts'

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))

export interface NextApp {
  url: string
  mailboxUrl: string
  databaseUrl: string
  /** The output of `next build`. */
  built: string
  /** The output of the services, the worker and the app so far, from standard output and standard error. */
  printed(): string
  stop(): Promise<void>
}

/** Installs, builds and starts the app. `tell` is called after each step, with its seconds. */
export async function startNextApp(tell: (step: string) => void): Promise<NextApp> {
  const folder = await mkdtemp(join(tmpdir(), 'tollgate-next-'))
  // PostgreSQL may run as another user, who must be able to reach its files.
  await chmod(folder, 0o755)
  const web = join(folder, 'packages/web')
  const running: Running[] = []
  const stop = async () => {
    for (const one of running.splice(0).reverse()) await one.stop()
    await rm(folder, { recursive: true, force: true })
  }
  const timed = async <T>(step: string, work: () => Promise<T>): Promise<T> => {
    const start = performance.now()
    const result = await work()
    tell(`${step} ${((performance.now() - start) / 1000).toFixed(1)} s`)
    return result
  }
  try {
    await timed('copied', () => copyHost(folder))
    const { packageManager, scripts } = await readManifests(folder)
    const pnpm = `npx -y ${packageManager.replace(/\+.*/, '')}`
    await timed('installed', () =>
      run(`${pnpm} install --frozen-lockfile --prefer-offline`, folder, { CI: 'true' }),
    )
    const built = await timed('built', () => run(inFolder(scripts.build), web))

    const [database, stripe, port] = [await freePort(), await freePort(), await freePort()]
    const url = `http://localhost:${port}`
    const databaseUrl = `postgresql://tollgate@127.0.0.1:${database}/tollgate`
    await writeFile(join(web, '.env.local'), await environment(web, { database, stripe, port }))
    await timed('started', async () => {
      running.push(await start(scripts.services, web, /Mailbox: http/))
      const others = [
        start(scripts.worker, web, /The worker runs/),
        start(`${scripts.start} -p ${port}`, web, /Ready in/),
      ]
      running.push(...(await Promise.all(others)))
    })
    return {
      url,
      mailboxUrl: `http://127.0.0.1:${stripe}/mailbox`,
      databaseUrl,
      built,
      printed: () => running.map((one) => one.printed()).join('\n'),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Adds what the app's README tells its reader to add, from the files as they are now, committed or not. */
async function copyHost(folder: string): Promise<void> {
  const page = await readFile(join(ROOT, 'packages/web/README.md'), 'utf8')
  const named = /tollgate add ([a-z ]+) --into/.exec(page)?.[1]
  if (!named) throw new Error('packages/web/README.md does not say what to add.')
  applyPlan(folder, planAdd(openCheckout(ROOT), openHost(folder), named.split(' ')))
}

interface Scripts {
  build: string
  start: string
  services: string
  worker: string
}

async function readManifests(folder: string) {
  const read = async (path: string) => JSON.parse(await readFile(join(folder, path), 'utf8'))
  const { packageManager } = (await read('package.json')) as { packageManager: string }
  const { scripts } = (await read('packages/web/package.json')) as { scripts: Scripts }
  return { packageManager, scripts }
}

/** The app's `.env.example`, with ports that are free on this machine. */
async function environment(
  web: string,
  ports: { database: number; stripe: number; port: number },
): Promise<string> {
  const example = await readFile(join(web, '.env.local.example'), 'utf8')
  const text = example
    .replace('127.0.0.1:5433', `127.0.0.1:${ports.database}`)
    .replaceAll('127.0.0.1:4242', `127.0.0.1:${ports.stripe}`)
    .replace('localhost:3000', `localhost:${ports.port}`)
  for (const port of Object.values(ports)) {
    if (!text.includes(`:${port}`)) throw new Error('The example names another port by now.')
  }
  return text
}
