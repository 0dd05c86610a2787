/** A Cloudflare Worker in front of the app in Hono: guards at the edge, and webhooks that come in through it. */

import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createVisitor } from '../../visitor.ts'
import { signUp } from './journey.ts'
import { HONO } from './recipes.ts'
import { hostSuite } from './suite.ts'
import { bundleWorker, runWorker } from './workerd.ts'

let size = 0
const host = hostSuite({
  ...HONO,
  packages: 'link',
  checks: [],
  async inFront({ folder, ...at }) {
    const own = join(folder, 'edge')
    const { code, bytes } = await bundleWorker(own)
    size = bytes
    return runWorker(own, code, at)
  },
})

test('the Worker answers callers with a session by itself, and refuses the others', async () => {
  const visitor = await signUp(host(), 'edge@example.com')
  const mine = await visitor.call('GET', '/edge/me')
  expect([mine.status, JSON.parse(mine.body)]).toEqual([200, { userId: expect.any(String) }])
  const stranger = createVisitor()
  await stranger.open(`${host().url}/`)
  const refused = await stranger.call('GET', '/edge/me')
  expect([refused.status, JSON.parse(refused.body)]).toMatchObject([
    401,
    { code: 'not_authenticated' },
  ])
})

test('the Worker is less than 16 KiB, compressed, and asks for no module of Node', () => {
  process.stdout.write(`The Worker has ${size} bytes, compressed.\n`)
  expect(size).toBeGreaterThan(0)
  expect(size).toBeLessThan(16 * 1024)
})
