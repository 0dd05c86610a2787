/**
 * What a person does after a copy, as commands of the host's package manager and sentences.
 *
 * @module
 */

import type { Checkout, Part } from './checkout.ts'
import type { PackageManager } from './host.ts'
import { type Layout, placePaths, renamerOf } from './place.ts'
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
  isNew,
}: {
  checkout: Checkout
  parts: readonly Part[]
  layout: Layout
  app: string | null
  wiring: Wiring | null
  isNew: boolean
}): string[] {
  const rename = renamerOf(checkout, layout)
  const { install, run } = commandsOf(layout.packageManager)
  const own = wiring
    ? [
        `cp ${inApp(wiring.app, '.env.local.example')} ${inApp(wiring.app, '.env.local')}`,
        `${wiring.app === '' ? '' : `In ${wiring.app}: `}${run} local runs the services, the worker and your app.`,
        'Write your pages: packages/web of the checkout has sign-up, sign-in, account and billing to copy from.',
      ]
    : parts.flatMap(({ manifest }) => manifest.steps)
  const chosen = parts
    .filter(({ manifest }) => manifest.isChosen)
    .map(({ packageName }) => rename(packageName))
  return [
    install,
    ...(app === null && !parts.some(({ name }) => name === 'web')
      ? [`Add the packages that your app imports to its dependencies: ${chosen.join(', ')}.`]
      : []),
    ...own.map((step) => rename(placePaths(checkout, layout, step.replaceAll('$run', run)))),
    ...(isNew ? ['Commit the folder .tollgate-receipt with the rest: updates need it.'] : []),
  ]
}
