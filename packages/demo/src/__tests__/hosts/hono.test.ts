/** Hono on Node, as `create-hono` writes it. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { HONO } from './recipes.ts'
import { hostSuite } from './suite.ts'

const host = hostSuite(HONO)

test('the generated entry file gets an import and a call', () => {
  const { fixture, folder } = host()
  const [before = '', after = ''] = [join(fixture, 'app'), folder].map((at) =>
    readFileSync(join(at, HONO.entry), 'utf8'),
  )
  const added = after.split('\n').filter((line) => !before.includes(line))
  expect(added.filter((line) => line.includes('mountTollgate'))).toEqual([
    "import { mountTollgate } from './lib/mount.ts'",
    'mountTollgate(app)',
  ])
})
