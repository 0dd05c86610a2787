/**
 * The plugin with which an app in Vite, such as one in SvelteKit or React Router, takes these packages as workspace
 * packages: `vite dev` and `vite build` read their TypeScript sources, so that no package has to be built before the app.
 * Plain JavaScript, because Vite loads it before anything is compiled.
 *
 * @module
 */

import { sourcesFor } from './workspace-sources.mjs'

/**
 * Leads every entry of the workspace packages that the app depends on, directly or not, to its source. Put it first in
 * `plugins`.
 *
 * @param {{ dir?: string }} options `dir` is the app's folder. Default: the working directory
 */
export function tollgate({ dir = process.cwd() } = {}) {
  const sources = new Map(sourcesFor(dir))
  return {
    name: 'tollgate',
    enforce: /** @type {const} */ ('pre'),
    /** @param {string} id */
    resolveId(id) {
      return sources.get(id) ?? null
    },
  }
}
