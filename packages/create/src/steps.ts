/**
 * What a person does after a copy, as commands of the host's package manager and sentences.
 *
 * @module
 */

import type { Checkout, Part } from './checkout.ts'
import type { PackageManager } from './host.ts'
import { type Layout, placePaths, renamerOf } from './place.ts'
import type { HostSchema } from './schema/locate.ts'
import { isMigration } from './schema/migration.ts'
import { frameworkNamed } from './wiring/frameworks.ts'
import { inApp, type Wiring } from './wiring.ts'

/** The commands of a package manager. */
export const commandsOf = (manager: PackageManager): { install: string; run: string } =>
  ({
    pnpm: { install: 'pnpm install', run: 'pnpm' },
    npm: { install: 'npm install', run: 'npm run' },
    yarn: { install: 'yarn install', run: 'yarn' },
    yarn1: { install: 'yarn install', run: 'yarn' },
    bun: { install: 'bun install', run: 'bun run' },
  })[manager]

/** The steps after parts were added. */
export function stepsAfter({
  checkout,
  parts,
  layout,
  app,
  wiring,
  schema,
  files,
  isNew,
}: {
  checkout: Checkout
  parts: readonly Part[]
  layout: Layout
  app: string | null
  wiring: Wiring | null
  schema: HostSchema | null
  /** The copied files, by their paths. */
  files: Readonly<Record<string, string>>
  isNew: boolean
}): string[] {
  const rename = renamerOf(checkout, layout)
  const { install, run } = commandsOf(layout.packageManager)
  const started = ({ app: at }: Wiring) => [
    `cp ${inApp(at, '.env.local.example')} ${inApp(at, '.env.local')}`,
    `${at === '' ? '' : `In ${at}: `}${run} local runs the services, the worker and your app.`,
  ]
  const own = wiring
    ? [
        ...(frameworkNamed(wiring.framework).isInFront ? [] : started(wiring)),
        frameworkNamed(wiring.framework).next,
      ]
    : parts.flatMap(({ manifest }) => manifest.steps)
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
