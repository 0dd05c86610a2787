/** `AGENTS.md` of a host has one block about the copied parts, and the rest of it stays the host's. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { applyPlan } from '../apply.ts'
import { openCheckout } from '../checkout.ts'
import { textOf } from '../files.ts'
import { openHost } from '../host.ts'
import { planAdd } from '../plan-add.ts'
import { planRemove } from '../plan-remove.ts'
import { planUpdate } from '../plan-update.ts'
import { makeCheckout, read, temporaryFolder, write } from './fixture.ts'

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))
const SOURCE = 'packages/create/agents.md'
const about = (text: string) => openCheckout(makeCheckout({ [SOURCE]: text }))
const FIRST = 'Tollgate VERSION. See [auth](packages/auth/README.md).\nMails. <!-- #email -->\n'

test('the block names the version and the parts, at their places, and follows updates', () => {
  const host = temporaryFolder()
  write(host, {
    'AGENTS.md': '# Acme\r\n\r\nBe kind.\r\n',
    'package.json': '{ "workspaces": ["libs/*"] }',
  })
  applyPlan(host, planAdd(about(FIRST), openHost(host), ['auth']))
  expect(read(host, 'AGENTS.md')).toBe(
    '# Acme\r\n\r\nBe kind.\r\n\r\n<!-- tollgate: begin -->\r\nTollgate 0.1.0. See [auth](libs/auth/README.md).\r\n<!-- tollgate: end -->\r\n',
  )
  write(host, { 'AGENTS.md': read(host, 'AGENTS.md').replace('Be kind', 'Be quick') })
  applyPlan(host, planUpdate(about(FIRST.replace('See', 'Read')), openHost(host)))
  expect(read(host, 'AGENTS.md')).toContain('Be quick.')
  expect(read(host, 'AGENTS.md')).toContain('Read [auth]')
  applyPlan(host, planAdd(about(FIRST.replace('See', 'Read')), openHost(host), ['email']))
  expect(read(host, 'AGENTS.md')).toContain('Mails.\r\n<!-- tollgate: end -->')
  applyPlan(host, planRemove(about(FIRST), openHost(host), []))
  expect(read(host, 'AGENTS.md')).toBe('# Acme\r\n\r\nBe quick.\r\n')
})

test('a block that the host changed stays so', () => {
  const host = temporaryFolder()
  applyPlan(host, planAdd(about(FIRST), openHost(host), ['auth']))
  const own = read(host, 'AGENTS.md').replace('See', 'Never see')
  write(host, { 'AGENTS.md': own })
  applyPlan(host, planUpdate(about(FIRST.replace('See', 'Read')), openHost(host)))
  expect(read(host, 'AGENTS.md')).toBe(own)
})

test('every file that the block names is copied with its part', () => {
  const plan = planAdd(openCheckout(ROOT), openHost(temporaryFolder()), [
    'auth',
    'billing',
    'email',
  ])
  const after = (path: string) => plan.changes.find((each) => each.path === path)?.after
  const text = textOf(after('AGENTS.md') ?? { bytes: Buffer.from(''), isExecutable: false }) ?? ''
  expect(text).not.toMatch(/VERSION|<!-- #/)
  const named = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, path = '']) => path)
  expect(named.length).toBeGreaterThan(5)
  expect(named.filter((path) => !after(path))).toEqual([])
  const scripts = JSON.parse(textOf(after('package.json') as never) ?? '{}').scripts
  for (const [, name = ''] of text.matchAll(/`(db:[a-z]+)/g)) expect(scripts).toHaveProperty([name])
  expect(existsSync(join(ROOT, SOURCE))).toBe(true)
})
