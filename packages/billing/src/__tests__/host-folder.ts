/** A host's folder with a `tollgate.config.ts` of its own plan and handler, and commands that run in it. */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BillingOptions, definePlans, type EffectHandlers } from '../index.ts'
import { spawned, TSX } from './cli-process.ts'
import { SECRET_KEY, WEBHOOK_SECRET } from './harness.ts'

const PACKAGES = fileURLToPath(new URL('../../..', import.meta.url))
const JOBS = join(PACKAGES, 'jobs/src/cli.ts')

/** The host's own plan, and its PRO: called as the default one, and with credits. */
export const hostPlans = definePlans({
  FREE: { name: 'Free' },
  PRO: {
    name: 'Pro',
    prices: { month: { lookupKey: 'pro_monthly', amount: 2900, currency: 'usd' } },
    credits: { amount: 1000, rollover: 'none' },
  },
  TEAM: {
    name: 'Team',
    prices: { month: { lookupKey: 'team_monthly', amount: 4900, currency: 'usd' } },
    credits: { amount: 500, rollover: 'none' },
  },
})

const paid: EffectHandlers['invoice.paid'] = async (tx, { key, ownerId }) => {
  await tx.$executeRaw`INSERT INTO granted VALUES (${key}, ${ownerId})`
}

/** What makes the host's instance its own. */
export const hostOptions: BillingOptions = {
  plans: hostPlans,
  products: {},
  effects: { 'invoice.paid': paid },
}

const CONFIG = `
import { createBilling, definePlans } from '@repo/billing'
import { defineConfig } from '@repo/core/config'

export default defineConfig(() => ({
  billing: createBilling({
    plans: definePlans(${JSON.stringify(hostPlans)}),
    products: {},
    effects: {
      'invoice.paid': async (tx, { key, ownerId }) => {
        await tx.$executeRaw\`INSERT INTO granted VALUES (\${key}, \${ownerId})\`
      },
    },
  }),
}))
`

export async function createHostFolder({ databaseUrl, url }: { databaseUrl: string; url: string }) {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'tollgate-host-')))
  await mkdir(join(folder, 'node_modules/@repo'), { recursive: true })
  await mkdir(join(folder, 'src'))
  for (const name of ['billing', 'core']) {
    await symlink(join(PACKAGES, name), join(folder, 'node_modules/@repo', name))
  }
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'acme', type: 'module' }))
  await writeFile(join(folder, 'tollgate.config.ts'), CONFIG)
  const variables = {
    DATABASE_URL: databaseUrl,
    STRIPE_SECRET_KEY: SECRET_KEY,
    STRIPE_API_BASE: url,
    STRIPE_WEBHOOK_SECRET: WEBHOOK_SECRET,
    APP_URL: 'http://localhost:3000',
  }
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`)
  await writeFile(join(folder, '.env.local'), lines.join(''))
  await writeFile(join(folder, '.env'), 'DATABASE_URL=postgresql://nobody@127.0.0.1:1/none\n')
  return {
    folder,
    /** `pnpm billing …` below the host's folder, which alone says what there is. */
    async billing(...args: string[]) {
      const [code, stdout, stderr] = await spawned(args, {}, join(folder, 'src'))
      return { code, stdout, stderr, json: () => JSON.parse(stdout) as Record<string, unknown> }
    },
    /** `pnpm worker`. */
    worker(): ChildProcess {
      const args = ['--conditions=source', '--import', TSX, JOBS, 'worker']
      const env = { PATH: process.env.PATH ?? '' }
      return spawn(process.execPath, args, { cwd: folder, env, stdio: 'ignore' })
    },
    remove: () => rm(folder, { recursive: true }),
  }
}
