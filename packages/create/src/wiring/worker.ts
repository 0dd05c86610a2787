/**
 * A Cloudflare Worker in front of the app. It has no database and no services: it gets the guards of the edge, and the
 * entries of these from their sources.
 *
 * @module
 */

import { type Framework, firstOf, inSource, sourcesInTsconfig } from './framework.ts'

const CONFIGS = ['wrangler.jsonc', 'wrangler.json']
/** The entries that the gate imports, and those that these import. */
const ENTRIES = [
  ['auth', 'edge'],
  ['core', 'edge'],
] as const

export const worker: Framework = {
  name: 'worker',
  title: 'a Worker',
  port: 8787,
  folder: 'packages/create/templates/worker',
  isInFront: true,
  find: (app) =>
    app.dependencies.wrangler !== undefined && firstOf(app, CONFIGS) !== undefined
      ? { source: app.has('src') ? 'src/' : '', entry: null }
      : null,
  place: inSource,
  edits(app, _, pathOf) {
    const config = firstOf(app, CONFIGS) ?? ''
    return [
      ...sourcesInTsconfig(app),
      ...ENTRIES.map(([part, entry]) => ({
        file: config,
        keys: ['alias', `@repo/${part}/${entry}`],
        value: JSON.stringify(`${pathOf(part)}/src/${entry}.ts`),
      })),
    ]
  },
  dependencies: [],
  next: 'Set APP_URL and APP_ORIGIN in vars, and answer with gateOf(env) of lib/gate.ts in fetch.',
}
