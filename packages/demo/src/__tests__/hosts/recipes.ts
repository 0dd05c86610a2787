/** How each host is made: what the developer adds to what the generator wrote, how it is checked and served. */

import type { HostRecipe } from './host-app.ts'

const PLANS = "import { plans } from './plans.ts'\nplans(app)\n"

/** As `create-hono` with its template for Node. */
export const HONO = {
  name: 'hono',
  entry: 'src/index.ts',
  appended: PLANS,
  hasFixedPort: true,
  checks: ['build'],
  ready: /Server is running/,
} satisfies HostRecipe

/** As Express' starter with the `tsconfig.json` of `tsc --init`. */
export const EXPRESS: HostRecipe = {
  name: 'express',
  entry: 'src/server.ts',
  appended: PLANS,
  checks: ['build'],
  ready: /listening on port/,
}

/** As `sv create` with the minimal template, TypeScript and the adapter for Node. */
export const SVELTEKIT: HostRecipe = {
  name: 'sveltekit',
  checks: ['build', 'check'],
  serve: 'node build',
  ready: /Listening on/,
}

/** As `create-react-router`. */
export const REACT_ROUTER: HostRecipe = {
  name: 'react-router',
  checks: ['build', 'typecheck'],
  ready: /react-router-serve\]/,
}
