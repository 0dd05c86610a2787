/** The manifests say what the code needs: each variable, each package, each file. */

import { existsSync } from 'node:fs'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { closureOf, openCheckout } from '../checkout.ts'
import { textOf } from '../files.ts'
import { blocksOf } from '../formats.ts'
import { openHost } from '../host.ts'
import { planAdd } from '../plan-add.ts'
import { temporaryFolder } from './fixture.ts'

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))
const checkout = openCheckout(ROOT)
const parts = [...checkout.parts.values()]
const textAt = (path: string) =>
  textOf(checkout.read(path) ?? { bytes: Buffer.from(''), isExecutable: false }) ?? ''

test('every variable of .env.example is in the manifest of the part that reads it', () => {
  const named = blocksOf(textAt('.env.example')).flatMap(({ names }) => names)
  const listed = new Set(
    parts.flatMap(({ manifest }) => [...manifest.required, ...manifest.optional]),
  )
  const advice =
    'Add a new variable to `required` or `optional` in the tollgate.json of its package; remove one that is gone.'
  expect([...listed].sort(), advice).toEqual([...new Set(named)].sort())
})

test('a part that is asked for brings every package that its code imports', () => {
  for (const part of parts) {
    const copied = new Set(closureOf(checkout, [part.name]).map(({ packageName }) => packageName))
    for (const file of part.files.filter((path) => /\.tsx?$/.test(path))) {
      for (const [, name = ''] of textAt(file).matchAll(
        /^(?:import|export|\}).*? from '(@repo\/[a-z]+)[/']/gm,
      )) {
        expect(copied, `${file} imports ${name}`).toContain(name)
      }
    }
  }
})

test('every file that a copied file names by a relative path is copied with it', () => {
  const all = closureOf(
    checkout,
    parts.filter(({ manifest }) => manifest.isChosen).map(({ name }) => name),
  )
  const copied = new Set([
    ...all.flatMap(({ files }) => files),
    ...all.flatMap(({ manifest }) => manifest.rootFiles),
  ])
  const missing = [...copied]
    .filter(
      (path) =>
        /(config\.ts|tsconfig[\w.]*\.json|\.tsx?)$/.test(path) && !path.includes('/__tests__/'),
    )
    .flatMap((path) =>
      [
        ...textAt(path).matchAll(
          /(?:from |import\(|"extends": |new URL\()['"](\.\.?\/[^'"]+)['"]/g,
        ),
      ].flatMap(([, to = '']) => {
        const target = posix.join(posix.dirname(path), to).replace(/\/$/, '')
        const isThere = ['', '.ts', '.tsx'].some((end) => copied.has(`${target}${end}`))
        const isFolder = [...copied].some((each) => target === '.' || each.startsWith(`${target}/`))
        // A file that is made, such as Prisma's client, is not in a checkout.
        return isThere || isFolder || target.includes('/generated/') ? [] : [`${path} → ${to}`]
      }),
    )
  expect(missing).toEqual([])
})

test('the scripts, steps and root files of the manifests exist', () => {
  for (const { manifest, folder } of parts) {
    for (const text of [...Object.values(manifest.scripts), ...manifest.steps]) {
      for (const [path] of text.matchAll(/(?:packages\/[a-z]+|prisma)\/[\w./-]*\w/g)) {
        if (!path.endsWith('.env.local')) expect(existsSync(join(ROOT, path)), path).toBe(true)
      }
    }
    for (const path of [
      ...manifest.rootFiles,
      ...manifest.leavesBehind.map((left) => `${folder}/${left}`),
    ]) {
      expect(existsSync(join(ROOT, path)), path).toBe(true)
    }
    for (const name of manifest.devDependencies)
      expect(checkout.root.devDependencies).toHaveProperty([name])
  }
})

test('all parts are planned for an empty folder without a conflict', () => {
  const names = parts.filter(({ manifest }) => manifest.isChosen).map(({ name }) => name)
  expect(names.sort()).toEqual(['auth', 'billing', 'email', 'web'])
  const plan = planAdd(checkout, openHost(temporaryFolder()), names)
  expect(plan.conflicts).toEqual([])
  expect(plan.notes).toEqual([])
  expect(plan.changes.length).toBeGreaterThan(900)
})

test('no copied source has syntax that is newer than ES2017, for which create-next-app lets TypeScript check', () => {
  const found = parts.flatMap(({ files }) =>
    files.filter((path) => {
      if (!/\.tsx?$/.test(path) || path.includes('/__tests__/')) return false
      const code = textAt(path).replaceAll(/\/\*[\s\S]*?\*\/|\/\/ .*|'[^'\n]*'|`[^`]*`/g, '')
      // A BigInt literal, or a regular expression with the flag s or d.
      return /(?<![\w.])\d+n\b|\S\/[gimuy]*[sd][gimuy]*(?=[.,;)\s]|$)/m.test(code)
    }),
  )
  expect(found).toEqual([])
})
