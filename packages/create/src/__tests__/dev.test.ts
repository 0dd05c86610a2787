/** `tollgate dev` finds the host's own copy of the local services, and the app that it is for. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { applyPlan } from '../apply.ts'
import { openCheckout } from '../checkout.ts'
import { runCommand } from '../commands.ts'
import { devProgram } from '../dev.ts'
import { openHost } from '../host.ts'
import { planAdd } from '../plan-add.ts'
import { readJson, temporaryFolder } from './fixture.ts'

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))
const checkout = openCheckout(ROOT)

/** A host with the parts: before an install it is refused, and then it has a loader. */
function hostWith(parts: string[]): string {
  const folder = temporaryFolder()
  applyPlan(folder, planAdd(checkout, openHost(folder), parts))
  expect(() => devProgram(['--into', folder])).toThrow(
    parts.includes('auth') ? 'Install the packages of' : 'has no sandbox',
  )
  const tsx = join(folder, 'node_modules/tsx')
  mkdirSync(tsx, { recursive: true })
  writeFileSync(join(tsx, 'package.json'), '{ "name": "tsx", "main": "index.js" }')
  writeFileSync(join(tsx, 'index.js'), '')
  return folder
}

test('the program is the host’s own, for the app that was copied, with every word that is not ours', () => {
  const folder = hostWith(['auth', 'web'])
  const cli = join(folder, 'packages/sandbox/src/dev/cli.ts')
  const start = ['--conditions=source', '--import', 'tsx', cli, '--into']
  expect(devProgram(['--into', folder, '--port', '4000'])).toEqual({
    folder,
    args: [...start, join(folder, 'packages/web'), '--port', '4000'],
  })
  expect(
    devProgram([`--into=${folder}`, '--app', '.', '--', 'node', 'x.js', '--into', 'y']),
  ).toEqual({
    folder,
    args: [...start, folder, '--', 'node', 'x.js', '--into', 'y'],
  })
  // The root has a script for it, so the checkout is not needed.
  expect(readJson(folder, 'package.json').scripts.local).toBe(
    'node --conditions=source --import tsx packages/sandbox/src/dev/cli.ts',
  )
})

test('a host without a copy, or without the sandbox, is told what to do', async () => {
  expect(() => devProgram(['--into', temporaryFolder()])).toThrow('has no receipt')
  hostWith(['email'])
  expect(() => devProgram(['--into'])).toThrow('--into is empty')
  expect(await runCommand(['dev', '--into', temporaryFolder()])).toBe(1)
})
