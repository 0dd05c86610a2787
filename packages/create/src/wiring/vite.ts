/**
 * SvelteKit and React Router, whose configuration of Vite gets a plugin.
 *
 * @module
 */

import type { Edit } from '../receipt.ts'
import { type App, type Framework, firstOf, inSource, sourcesInTsconfig } from './framework.ts'

const CONFIGS = ['ts', 'mts', 'js', 'mjs'].map((end) => `vite.config.${end}`)

/** The plugin that leads Vite to the packages' sources, and the options that lead TypeScript to them. */
function viteEdits(app: App): Edit[] {
  const config = firstOf(app, CONFIGS)
  return [
    ...sourcesInTsconfig(app),
    ...(config ? [{ file: config, keys: ['plugin'], value: '@repo/core/vite' }] : []),
  ]
}

export const sveltekit: Framework = {
  name: 'sveltekit',
  title: 'SvelteKit',
  port: 5173,
  folder: 'packages/create/templates/sveltekit',
  find: (app) =>
    app.dependencies['@sveltejs/kit'] !== undefined && app.has('src/routes')
      ? { source: 'src/', entry: null }
      : null,
  // SvelteKit refuses to put modules of this folder into what a browser gets.
  place: (file, found) =>
    inSource(file, found).replace(/^src\/lib\/(?=tollgate|session)/, 'src/lib/server/'),
  edits: viteEdits,
  dependencies: [['bcrypt', 'auth']],
  next: 'Write your pages: forUser and requireUser of $lib/server/session give them the caller.',
}

/** `app/lib/tollgate.server.ts` and the like: React Router keeps these modules out of what a browser gets. */
const SERVER_ONLY = /^(app\/lib\/(?:tollgate|session))\.ts$/

export const reactRouter: Framework = {
  name: 'react-router',
  title: 'React Router',
  port: 5173,
  folder: 'packages/create/templates/react-router',
  find: (app) =>
    app.dependencies['@react-router/dev'] !== undefined && app.has('app/routes.ts')
      ? { source: 'app/', entry: 'app/routes.ts' }
      : null,
  place: (file, found) =>
    file === 'src/services.mts'
      ? 'services.mts'
      : inSource(file, found).replace(SERVER_ONLY, '$1.server.ts'),
  edits: (app) => [
    ...viteEdits(app),
    { file: 'app/routes.ts', keys: ['routes'], value: './tollgate.routes' },
  ],
  dependencies: [['bcrypt', 'auth']],
  next: 'Write your pages: forUser and requireUser of app/lib/session.server.ts give them the caller.',
}
