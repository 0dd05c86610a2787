/**
 * What a person does after a copy, as commands of the host's package manager and sentences.
 *
 * @module
 */

import type { Checkout, Part } from './checkout.ts'
import type { Host, PackageManager } from './host.ts'
import { type Layout, placePaths, renamerOf } from './place.ts'
import type { HostSchema } from './schema/locate.ts'
import { isMigration } from './schema/migration.ts'
import { frameworkNamed } from './wiring/frameworks.ts'
import { pageSteps, type Wiring } from './wiring.ts'

/** The commands of a package manager. `printed` prints the variables of the local services. */
export const commandsOf = (
  manager: PackageManager,
): { install: string; run: string; printed: string } => COMMANDS[manager]

const COMMANDS = {
  pnpm: {
    install: 'pnpm install',
    run: 'pnpm',
    printed: 'pnpm --silent local --print-env',
  },
  npm: {
    install: 'npm install',
    run: 'npm run',
    printed: 'npm run --silent local -- --print-env',
  },
  yarn: { install: 'yarn install', run: 'yarn', printed: 'yarn local --print-env' },
  yarn1: { install: 'yarn install', run: 'yarn', printed: 'yarn --silent local --print-env' },
  bun: {
    install: 'bun install',
    run: 'bun run',
    printed: 'bun run --silent local --print-env',
  },
}

/** The steps after parts were added. */
export function stepsAfter({
  checkout,
  parts,
  layout,
  host,
  app,
  wiring,
  schema,
  files,
  isNew,
}: {
  checkout: Checkout
  parts: readonly Part[]
  layout: Layout
  host: Host
  app: string | null
  wiring: Wiring | null
  schema: HostSchema | null
  /** The copied files, by their paths. */
  files: Readonly<Record<string, string>>
  isNew: boolean
}): string[] {
  const rename = renamerOf(checkout, layout)
  const { install, run, printed } = commandsOf(layout.packageManager)
  const started = ({ app: at }: Wiring) => {
    const place = at === '' ? '' : `In ${at}: `
    return [
      `${place}${run} local runs the services, the worker and your app.`,
      `${place}${printed} >> .env.local gives commands in another terminal, such as ${run} billing, the same variables.`,
    ]
  }
  const own = wiring
    ? [
        ...pageSteps(checkout, host, wiring),
        ...(frameworkNamed(wiring.framework).isInFront ? [] : started(wiring)),
      ]
    : // The app of `web` has what the other parts ask for.
      (parts.find(({ name }) => name === 'web')?.manifest.steps ??
      parts.flatMap(({ manifest }) => manifest.steps))
  const chosen = parts
    .filter(({ manifest }) => manifest.isChosen)
    .map(({ packageName }) => rename(packageName))
  return [
    install,
    ...(schema ? schemaSteps(layout, schema, Object.keys(files)) : []),
    ...(app === null && !parts.some(({ name }) => name === 'web')
      ? [`Add the packages that your app imports to its dependencies: ${chosen.join(', ')}.`]
      : []),
    ...own.map((step) => rename(placePaths(checkout, layout, step.replaceAll('$run', run)))),
    ...(isNew ? ['Commit the folder .tollgate-receipt with the rest: updates need it.'] : []),
  ]
}

/** What a person does with the host's own schema and migrations. */
export function schemaSteps(
  { packageManager }: Pick<Layout, 'packageManager'>,
  schema: HostSchema,
  files: readonly string[],
): string[] {
  const { run } = commandsOf(packageManager)
  const at = schema.package === '' ? '' : `In ${schema.package}: `
  const migration = files
    .filter((path) => isMigration(schema, path))
    .sort()
    .at(-1)
  return [
    `${at}npx prisma generate, so that your client has the new fields and models.`,
    `${at}npx prisma migrate dev, after you have read ${migration}. It keeps your rows. In production: npx prisma migrate deploy.`,
    `${run} db:migrate makes the tables of the queue. It also applies your migrations, if they are not applied yet.`,
  ]
}
