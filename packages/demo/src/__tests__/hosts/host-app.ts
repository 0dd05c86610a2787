/**
 * An app in a framework, as its generator writes it, into which `tollgate add` copies the packages: made in a temporary
 * folder, installed, checked, built and started beside its services and its worker.
 */

import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { applyPlan, openCheckout, openHost, planAdd } from '@repo/create'
import { freePort } from '@repo/db/testing'
import { allInFolder, inFolder, type Running, run, start } from '../processes.ts'
import { linkPackages } from './links.ts'

const ROOT = fileURLToPath(new URL('../../../../..', import.meta.url))

/** What differs between the hosts. */
export interface HostRecipe {
  /** The folder in `packages/demo/hosts`: `app` is what the generator writes, `own` what the developer adds. */
  name: string
  /** The file that makes the server. */
  entry?: string
  /** The developer's lines at its end. */
  appended?: string
  /** Scripts that have to succeed before the start, such as a check of types and a build. */
  checks: string[]
  /** The command that serves the app. Default: the script `start`. */
  serve?: string
  /** Whether the entry has the port 3000 and does not read `PORT`. Default false. */
  hasFixedPort?: boolean
  /** What the app prints when it serves. */
  ready: RegExp
  /**
   * Starts what stands in front of the app: browsers and webhooks see its origin `url`, and the app listens at `origin`.
   */
  inFront?: (at: { url: string; origin: string; folder: string }) => Promise<Running>
  /** How the packages come: from the registry's store, or as links to those of the checkout. Default `install`. */
  packages?: 'install' | 'link'
}

/** A host that runs. */
export interface HostApp {
  folder: string
  /** The folder with what the generator writes and what the developer adds. */
  fixture: string
  url: string
  mailboxUrl: string
  databaseUrl: string
  /** Each step with its seconds. */
  steps: string[]
  /** The output of the checks. */
  checked: string
  /** Lines of code that the developer wrote. */
  ownLines: number
  /** The output of all processes so far. */
  printed(): string
  stop(): Promise<void>
}

/** Makes, builds and starts the host. */
export async function startHost(recipe: HostRecipe): Promise<HostApp> {
  const folder = await mkdtemp(join(tmpdir(), `tollgate-${recipe.name}-`))
  // PostgreSQL may run as another user, who must be able to reach its files.
  await chmod(folder, 0o755)
  const steps: string[] = []
  const running: Running[] = []
  const stop = async () => {
    for (const one of running.splice(0).reverse()) await one.stop()
    if (!process.env.KEEP_HOSTS) await rm(folder, { recursive: true, force: true })
  }
  const timed = async <T>(step: string, work: () => Promise<T> | T): Promise<T> => {
    const begun = performance.now()
    const result = await work()
    steps.push(`${step} ${((performance.now() - begun) / 1000).toFixed(1)} s`)
    return result
  }
  try {
    const fixture = join(ROOT, 'packages/demo/hosts', recipe.name)
    cpSync(join(fixture, 'app'), folder, { recursive: true })
    await timed('added', () => {
      applyPlan(folder, planAdd(openCheckout(ROOT), openHost(folder), ['auth', 'billing', 'email']))
    })
    const ownLines = addOwn(fixture, folder, recipe)
    if (recipe.packages === 'link') await timed('linked', () => linkPackages(ROOT, folder))
    else {
      const { packageManager } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
      const pnpm = `npx -y ${(packageManager as string).replace(/\+.*/, '')}`
      await timed('installed', () =>
        run(`${pnpm} install --prefer-offline --no-frozen-lockfile`, folder, { CI: 'true' }),
      )
    }
    const scripts = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
      .scripts as Record<string, string>
    const scriptNamed = (name: string) => {
      const script = scripts[name]
      if (script === undefined) throw new Error(`${recipe.name} has no script ${name}.`)
      return script
    }
    let checked = ''
    for (const name of recipe.checks)
      checked += await timed(name, () => run(allInFolder(scriptNamed(name)), folder))

    const [database, stripe, port] = [await freePort(), await freePort(), await freePort()]
    const listening = recipe.inFront ? await freePort() : port
    const environment = await environmentOf(folder, { database, stripe, port })
    await writeFile(join(folder, '.env.local'), environment)
    if (recipe.entry && recipe.hasFixedPort) {
      const path = join(folder, recipe.entry)
      await writeFile(path, (await readFile(path, 'utf8')).replace('3000', String(listening)))
    }
    const url = `http://localhost:${port}`
    await timed('started', async () => {
      running.push(await start(scriptNamed('services'), folder, /Mailbox: http/))
      await run(inFolder(`${scriptNamed('billing')} plans push`), folder)
      const others = [
        start(scriptNamed('worker'), folder, /The worker runs/),
        start(recipe.serve ?? scriptNamed('start'), folder, recipe.ready, {
          PORT: String(listening),
        }),
        ...(recipe.inFront
          ? [recipe.inFront({ url, origin: `http://localhost:${listening}`, folder })]
          : []),
      ]
      running.push(...(await Promise.all(others)))
    })
    return {
      folder,
      fixture,
      url,
      mailboxUrl: `http://127.0.0.1:${stripe}/mailbox`,
      databaseUrl: `postgresql://tollgate@127.0.0.1:${database}/tollgate`,
      steps,
      checked,
      ownLines,
      printed: () => running.map((one) => one.printed()).join('\n'),
      stop,
    }
  } catch (error) {
    process.stdout.write(`${recipe.name}: ${steps.join(', ')}\n`)
    await stop()
    throw error
  }
}

/** Writes what the developer writes, and returns the number of its lines. */
function addOwn(fixture: string, folder: string, { entry, appended }: HostRecipe): number {
  let lines = 0
  cpSync(join(fixture, 'own'), folder, {
    recursive: true,
    filter(source) {
      if (/\.\w+$/.test(source)) lines += readFileSync(source, 'utf8').trimEnd().split('\n').length
      return true
    },
  })
  if (entry && appended) {
    const path = join(folder, entry)
    writeFileSync(path, `${readFileSync(path, 'utf8')}\n${appended}`)
    lines += appended.trimEnd().split('\n').length
  }
  return lines
}

/** The app's `.env.local.example`, with ports that are free on this machine. */
async function environmentOf(
  folder: string,
  ports: { database: number; stripe: number; port: number },
): Promise<string> {
  const example = await readFile(join(folder, '.env.local.example'), 'utf8')
  return example
    .replace('127.0.0.1:5433', `127.0.0.1:${ports.database}`)
    .replaceAll('127.0.0.1:4242', `127.0.0.1:${ports.stripe}`)
    .replace(/localhost:\d+/, `localhost:${ports.port}`)
}
