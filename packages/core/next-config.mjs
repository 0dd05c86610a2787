/**
 * The configuration of a Next.js app that takes these packages as workspace packages: `next dev` and
 * `next build` read their TypeScript sources, with Turbopack and with webpack, so that no package has to
 * be built before the app. Plain JavaScript, because Next.js loads it before anything is compiled.
 *
 * @module
 */

import { realpathSync } from 'node:fs'
import { relative, sep } from 'node:path'
import { sourcesFor } from './workspace-sources.mjs'

/**
 * Libraries of the packages that run in Node alone. Loading them at run time in place of bundling them
 * halves the time of a build; Next.js itself does the same with `bcrypt`, `pg` and `@prisma/client`.
 */
const NODE_ONLY = [
  '@better-auth/core',
  '@better-auth/oauth-provider',
  '@better-auth/passkey',
  'better-auth',
  'graphile-worker',
  'ioredis',
  'rate-limiter-flexible',
  'resend',
  'stripe',
]

/**
 * `config` with every entry of the workspace packages that the app depends on, directly or not, led to its
 * `source`. The app's own aliases and `transpilePackages` win.
 *
 * @param {Record<string, any>} config the app's own
 * @param {{ dir?: string }} options `dir` is the app's folder. Default: the working directory
 */
export function withTollgate(config = {}, { dir = process.cwd() } = {}) {
  const entries = sourcesFor(dir)
  const aliases = entries.map(([entry, file]) => [
    entry,
    requestFor(relative(realpathSync(dir), file)),
  ])
  const bundled = new Set(config.transpilePackages)
  const outside = NODE_ONLY.filter((name) => !bundled.has(name))
  return {
    ...config,
    serverExternalPackages: [...new Set([...outside, ...(config.serverExternalPackages ?? [])])],
    turbopack: {
      ...config.turbopack,
      resolveAlias: { ...Object.fromEntries(aliases), ...config.turbopack?.resolveAlias },
    },
    /** @type {(webpackConfig: any, context: any) => any} */
    webpack(webpackConfig, context) {
      const exact = entries.map(([entry, file]) => [`${entry}$`, file])
      webpackConfig.resolve.alias = {
        ...Object.fromEntries(exact),
        ...webpackConfig.resolve.alias,
      }
      return config.webpack ? config.webpack(webpackConfig, context) : webpackConfig
    },
  }
}

/**
 * A path as a bundler reads it: without a leading dot it would be the name of a package.
 *
 * @param {string} path
 */
const requestFor = (path) => {
  const posix = path.split(sep).join('/')
  return posix.startsWith('.') ? posix : `./${posix}`
}
