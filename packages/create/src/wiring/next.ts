/**
 * Next.js with an app router. Its own files are those of the app in `packages/web`.
 *
 * @module
 */

import { posix } from 'node:path'
import { type Framework, firstOf, inSource, sourcesInTsconfig } from './framework.ts'

const CONFIGS = ['next.config.ts', 'next.config.mjs', 'next.config.js']

/** The pages of `packages/web` that an app with a home page and a layout of its own can take. */
const PAGES = [
  'sign-up',
  'check-mail',
  'verify-email',
  'sign-in',
  'forgot-password',
  'reset-password',
  'dashboard',
  'account',
]

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
  next(app, { source }, folder) {
    const config = firstOf(app, CONFIGS)
    const isCached = config && /\bcacheComponents:\s*true\b/.test(app.read(config) ?? '')
    const sources = posix.join(folder, source, './')
    const pages = `{actions.ts,${PAGES.join(',')}}`
    return [
      'Take the pages for sign-up, sign-in, account and billing, and make them yours. Files that you have stay.',
      `cp -Rn $checkout/packages/web/src/components ${sources}`,
      `cp -Rn $checkout/packages/web/src/app/${pages} ${sources}app/`,
      ...(isCached
        ? [
            `Your ${config} turns Cache Components on, and these pages are rendered for each request: add \`export const instant = false\` to each page.tsx of them.`,
          ]
        : []),
    ]
  },
}
