/** The Next.js configuration: workspace packages by their sources, whatever else the app says. */

import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { withTollgate } from '../../next-config.mjs'

let root: string
let web: string
beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'next-config-')))
  web = join(root, 'apps/web')
  await make('apps/web', { name: 'web', dependencies: { '@acme/a': '*', lib: '*', gone: '*' } })
  await make('packages/a', {
    name: '@acme/a',
    dependencies: { '@acme/b': '*' },
    exports: {
      '.': { source: './src/index.ts', default: './dist/index.js' },
      './deep/er': { source: './src/deep.ts', default: './dist/deep.js' },
      './package.json': './package.json',
    },
  })
  await make('packages/b', {
    name: '@acme/b',
    // A circle, and a package that has no sources.
    devDependencies: { '@acme/a': '*', '@acme/plain': '*' },
    exports: { '.': { source: './b.ts' } },
  })
  await make('packages/plain', { name: '@acme/plain' })
  await make('node_modules/.store/lib', { name: 'lib', exports: { '.': { source: './lib.ts' } } })
  await link('apps/web', '@acme/a', 'packages/a')
  await link('apps/web', 'lib', 'node_modules/.store/lib')
  await link('packages/a', '@acme/b', 'packages/b')
  await link('packages/b', '@acme/a', 'packages/a')
  await link('packages/b', '@acme/plain', 'packages/plain')
})
afterEach(() => rm(root, { recursive: true }))

async function make(folder: string, manifest: object) {
  await mkdir(join(root, folder), { recursive: true })
  await writeFile(join(root, folder, 'package.json'), JSON.stringify(manifest))
}

async function link(from: string, name: string, to: string) {
  const path = join(root, from, 'node_modules', name)
  await mkdir(join(path, '..'), { recursive: true })
  await symlink(join(root, to), path, 'dir')
}

const ALIASES = {
  '@acme/a': '../../packages/a/src/index.ts',
  '@acme/a/deep/er': '../../packages/a/src/deep.ts',
  '@acme/b': '../../packages/b/b.ts',
}

test('every entry of every workspace package leads to its source, for Turbopack', () => {
  expect(withTollgate({}, { dir: web })).toMatchObject({ turbopack: { resolveAlias: ALIASES } })
  const { turbopack } = withTollgate({}, { dir: web }) as unknown as {
    turbopack: { resolveAlias: object }
  }
  expect(Object.keys(turbopack.resolveAlias).sort()).toEqual(Object.keys(ALIASES))
})

test('every entry leads to its source for webpack, and a longer name with the same beginning does not', () => {
  const { webpack } = withTollgate({}, { dir: web })
  expect(webpack({ resolve: { alias: { x$: 'y' } } }, {})).toEqual({
    resolve: {
      alias: {
        x$: 'y',
        '@acme/a$': join(root, 'packages/a/src/index.ts'),
        '@acme/a/deep/er$': join(root, 'packages/a/src/deep.ts'),
        '@acme/b$': join(root, 'packages/b/b.ts'),
      },
    },
  })
})

test("the app's own configuration is kept, and wins", () => {
  const config = withTollgate(
    {
      reactStrictMode: true,
      serverExternalPackages: ['sharp', 'stripe'],
      transpilePackages: ['better-auth'],
      turbopack: { root: '/x', resolveAlias: { '@acme/b': './mine.ts' } },
      webpack: (given: { resolve: { alias: object } }) => ({ ...given, mine: true }),
    },
    { dir: web },
  )
  expect(config).toMatchObject({
    reactStrictMode: true,
    turbopack: { root: '/x', resolveAlias: { ...ALIASES, '@acme/b': './mine.ts' } },
  })
  expect(config.serverExternalPackages.filter((name) => name === 'stripe')).toHaveLength(1)
  expect(config.serverExternalPackages).toContain('sharp')
  // Next.js refuses a package that is in both lists.
  expect(config.serverExternalPackages).not.toContain('better-auth')
  expect(config.webpack({ resolve: { alias: {} } }, {})).toMatchObject({ mine: true })
})

test('a package below the folder of the app is a path, and no name of a package', async () => {
  await make('', { name: 'host', dependencies: { '@acme/b': '*' } })
  await link('', '@acme/b', 'packages/b')
  const aliased = { turbopack: { resolveAlias: { '@acme/b': './packages/b/b.ts' } } }
  expect(withTollgate({}, { dir: root })).toMatchObject(aliased)
})
