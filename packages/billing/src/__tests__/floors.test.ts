/**
 * The floors of this package. A file imports from its own floor and from those below it, so that each change has one
 * place; what belongs to several is assembled at the top.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const SOURCE = fileURLToPath(new URL('..', import.meta.url))

/** From the ground up. A name with a slash at its end is a folder; without one it is a file. */
const FLOORS: readonly (readonly string[])[] = [
  [
    'alerts',
    'amounts',
    'batch',
    'connection-lost',
    'credit-input',
    'error-codes',
    'errors',
    'owner-id',
    'page',
  ],
  ['pages', 'provider-name', 'return-url', 'rows', 'sweep', 'telemetry'],
  ['catalog/'],
  ['providers/'],
  ['bookings/settings', 'credits/settings', 'effects/facts', 'orders/settings', 'webhooks/row'],
  ['context'],
  ['credits/', 'customers/', 'effects/', 'subscriptions/', 'webhooks/'],
  ['bookings/', 'sync/'],
  ['orders/'],
  ['checkout/', 'lifecycle/', 'owners/'],
]

const TOP = FLOORS.length

/** The number of a file's floor, by the longest name that fits; what no floor names is at the top. */
function floorOf(file: string): number {
  const name = file.replace(/\.tsx?$/, '')
  // The entries of a package gather what hosts import, and the conformance suites are tests.
  if (name.endsWith('/index') || name.startsWith('providers/conformance/')) return TOP
  const fits = FLOORS.flatMap((names, floor) =>
    names
      .filter((each) => (each.endsWith('/') ? name.startsWith(each) : name === each))
      .map((each) => ({ floor, length: each.length })),
  )
  const [best] = fits.sort((a, b) => b.length - a.length)
  return best?.floor ?? TOP
}

const FILES = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter(
  (file) => /\.tsx?$/.test(file) && !file.startsWith('__tests__'),
)

/** What a file imports within the package, types included. */
const importsOf = (file: string): string[] =>
  [...readFileSync(join(SOURCE, file), 'utf8').matchAll(/\bfrom '(\.[^']+)'/g)].map(([, path]) =>
    normalize(relative(SOURCE, join(SOURCE, dirname(file), path as string))),
  )

test('no file imports from a floor above its own', () => {
  const upward = FILES.flatMap((file) =>
    importsOf(file)
      .filter((other) => floorOf(other) > floorOf(file))
      .map((other) => `${file} imports ${other}, which lies above it: move the shared part down`),
  )
  expect(upward).toEqual([])
})

test('no files import each other in a circle, types included', () => {
  const state = new Map<string, 'open' | 'done'>()
  const circles: string[] = []
  const visit = (file: string, path: readonly string[]): void => {
    if (state.get(file) === 'done') return
    if (state.get(file) === 'open') {
      const circle = [...path.slice(path.indexOf(file)), file].join(' > ')
      circles.push(`${circle}: move what these files share into a file that imports none of them`)
      return
    }
    state.set(file, 'open')
    for (const other of importsOf(file)) visit(other, [...path, file])
    state.set(file, 'done')
  }
  for (const file of FILES) visit(file, [])
  expect(circles).toEqual([])
})

test('each floor names files and folders that exist', () => {
  const names = FLOORS.flat()
  const missing = names.filter(
    (name) =>
      !FILES.some((file) => (name.endsWith('/') ? file.startsWith(name) : file === `${name}.ts`)),
  )
  expect(missing, 'Remove these names from FLOORS, or correct them.').toEqual([])
})
