/**
 * Next.js with an app router. Its own files are those of the app in `packages/web`.
 *
 * @module
 */

import { type Framework, firstOf, inSource, sourcesInTsconfig } from './framework.ts'

const CONFIGS = ['next.config.ts', 'next.config.mjs', 'next.config.js']

export const next: Framework = {
  name: 'next',
  title: 'Next.js',
  port: 3000,
  folder: 'packages/web',
  find(app) {
    const source = ['src/', ''].find((each) => app.has(`${each}app`))
    const isNext = app.dependencies.next !== undefined
    return isNext && source !== undefined ? { source, entry: null } : null
  },
  place: inSource,
  edits(app, { source }) {
    const config = firstOf(app, CONFIGS)
    return [
      ...sourcesInTsconfig(app),
      ...(app.has('tsconfig.json')
        ? [
            {
              file: 'tsconfig.json',
              keys: ['compilerOptions', 'paths', '@/*'],
              value: JSON.stringify([`./${source}*`]),
            },
          ]
        : []),
      ...(config ? [{ file: config, keys: ['default'], value: '@repo/core/next-config' }] : []),
    ]
  },
  dependencies: [],
  next: 'Write your pages: packages/web of the checkout has sign-up, sign-in, account and billing to copy from.',
}
