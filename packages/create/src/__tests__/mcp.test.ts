/** `tollgate mcp` with a real client: reading is free, and what changes files needs the token of a plan that was shown. */

import { readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { expect, onTestFinished, test } from 'vitest'
import { applyPlan } from '../apply.ts'
import { openCheckout } from '../checkout.ts'
import { openHost } from '../host.ts'
import { createPlans } from '../mcp/plans.ts'
import { createMcpServer } from '../mcp/server.ts'
import { planAdd } from '../plan-add.ts'
import { commitAll, makeCheckout, read, temporaryFolder, treeOf, write } from './fixture.ts'

const CLI = fileURLToPath(new URL('../cli.ts', import.meta.url))

function hostWithAuth(): string {
  const host = temporaryFolder()
  applyPlan(host, planAdd(openCheckout(makeCheckout()), openHost(host), ['auth']))
  return host
}

/** A client of the server, and a call that returns what a tool says. */
async function clientOf(folder: string, checkout = openCheckout(makeCheckout())) {
  const [theirs, ours] = InMemoryTransport.createLinkedPair()
  const client = new Client({ name: 'test', version: '1.0.0' })
  await createMcpServer(folder, checkout).connect(ours)
  await client.connect(theirs)
  onTestFinished(() => client.close())
  return { client, ask: askerOf(client) }
}

const askerOf =
  (client: Client) =>
  async (name: string, args: object = {}) => {
    const answer = await client.callTool({ name, arguments: args as Record<string, unknown> })
    const [content] = answer.content as { text: string }[]
    const text = content?.text ?? ''
    return { text, isError: answer.isError === true, json: () => JSON.parse(text) }
  }

test('each tool says whether it changes anything, and only apply does', async () => {
  const { client } = await clientOf(hostWithAuth())
  const { tools } = await client.listTools()
  const changing = tools.filter(({ annotations }) => annotations?.readOnlyHint !== true)
  expect(changing.map(({ name }) => name)).toEqual(['apply'])
  for (const { name, description = '' } of tools) {
    expect(description.length, name).toBeGreaterThan(30)
  }
})

test('the documentation is the host’s own, by section and whole, and no other file is read', async () => {
  const host = hostWithAuth()
  write(host, {
    'packages/auth/README.md':
      '# @repo/auth\n\nSign in.\n\n## Tenants\n\nEach row has an owner.\n\n```sh\n# no heading\n```\n',
    'secrets.md': '# Secrets\n\nowner',
  })
  const { ask } = await clientOf(host)
  expect((await ask('search_docs', { query: 'owner of a row' })).json()[0]).toEqual({
    id: 'packages/auth/README.md#tenants',
    path: 'packages/auth/README.md',
    heading: 'Tenants',
    text: '\nEach row has an owner.\n\n```sh\n# no heading\n```\n\n',
  })
  expect((await ask('read_doc')).json()).toEqual(['packages/auth/README.md'])
  expect((await ask('read_doc', { path: 'packages/auth/README.md' })).text).toContain('Sign in.')
  for (const path of ['secrets.md', '../x.md', '.env', 'packages/auth/../../secrets.md']) {
    expect(await ask('read_doc', { path })).toMatchObject({ isError: true })
  }
})

test('a link in the place of a document, and a path out of the host, lead to no other file', async () => {
  const host = hostWithAuth()
  const outside = temporaryFolder()
  write(outside, { 'README.md': 'SECRET=outside' })
  write(host, { '.env': 'SECRET=inside', 'packages/auth/README.md': '# @repo/auth' })
  const readme = join(host, 'packages/auth/README.md')
  const receipt = join(host, '.tollgate-receipt/receipt.json')
  const { ask } = await clientOf(host)
  const expectNothing = async (path: string) => {
    expect((await ask('read_doc')).json()).toEqual([])
    expect(await ask('read_doc', { path })).toMatchObject({ isError: true })
    const found = await ask('search_docs', { query: 'SECRET' })
    expect(found.text).not.toMatch(/inside|outside/)
  }
  expect((await ask('read_doc')).json()).toEqual(['packages/auth/README.md'])
  for (const target of [join(host, '.env'), join(outside, 'README.md')]) {
    rmSync(readme)
    symlinkSync(target, readme)
    await expectNothing('packages/auth/README.md')
  }
  rmSync(join(host, 'packages/auth'), { recursive: true })
  symlinkSync(outside, join(host, 'packages/auth'))
  await expectNothing('packages/auth/README.md')

  const way = `${relative(host, outside)}/README.md`
  const text = readFileSync(receipt, 'utf8')
  writeFileSync(receipt, text.replaceAll('packages/auth/README.md', way))
  await expectNothing(way)
})

test('a plan changes nothing, its token applies it once, and a token that was made up applies nothing', async () => {
  const host = hostWithAuth()
  const before = treeOf(host)
  const { ask } = await clientOf(host)
  const planned = (await ask('plan', { command: 'add', parts: ['email'] })).json()
  expect(planned).toMatchObject({ command: 'add', applied: false, token: expect.any(String) })
  expect(planned.changes).toContainEqual({ path: 'packages/email/src/index.ts', change: 'create' })
  expect(treeOf(host)).toEqual(before)
  expect(await ask('apply', { token: 'made-up' })).toMatchObject({ isError: true })
  expect(treeOf(host)).toEqual(before)

  expect((await ask('apply', { token: planned.token })).json()).toMatchObject({ applied: true })
  expect(read(host, 'packages/email/src/index.ts')).toContain('two')
  const again = await ask('apply', { token: planned.token })
  expect(again).toMatchObject({ isError: true })
  expect(again.text).toContain('Make the plan again')
  expect((await ask('plan', { command: 'add', parts: ['email'] })).json().token).toBeNull()
  for (const [command, more] of [
    ['add', { including: ['ink'] }],
    ['update', { parts: ['email'] }],
    ['remove', { without: ['ink'] }],
  ] as const) {
    const refused = await ask('plan', { command, ...more })
    expect(refused.text).toContain(`${command} does not take ${Object.keys(more)[0]}.`)
  }
})

test('a plan is refused when a file changed since, and an update when files are not committed', async () => {
  const host = hostWithAuth()
  const newer = makeCheckout({ 'packages/auth/src/guards.ts': 'export const guard = 1\n' })
  const { ask } = await clientOf(host, openCheckout(newer))
  const { token } = (await ask('plan', { command: 'update' })).json()
  write(host, { 'packages/auth/src/guards.ts': 'mine\n' })
  expect(await ask('apply', { token })).toMatchObject({ isError: true })
  expect(read(host, 'packages/auth/src/guards.ts')).toBe('mine\n')

  write(host, { 'packages/auth/src/guards.ts': 'export const guard0 = 0\n' })
  commitAll(host)
  write(host, { 'notes.txt': 'mine' })
  const second = (await ask('plan', { command: 'update' })).json()
  const refused = await ask('apply', { token: second.token })
  expect(refused.text).toMatch(/dirty_tree.*notes\.txt/)
})

test('a token is good for ten minutes', () => {
  let now = 0
  const plans = createPlans(() => now)
  const plan = { command: 'add', changes: [], notes: [], conflicts: [], steps: [] }
  const [first, second] = [plans.keep(plan), plans.keep(plan)]
  now = 10 * 60_000 - 1
  expect(plans.take(first)).toBe(plan)
  now += 1
  expect(() => plans.take(second)).toThrow(/older than ten minutes/)
})

test('status and variables tell what there is, and no value', async () => {
  const host = hostWithAuth()
  write(host, { '.env': 'BETTER_AUTH_SECRET=do-not-show-this\n' })
  const { ask } = await clientOf(host)
  expect((await ask('status')).json()).toMatchObject({
    version: '0.1.0',
    parts: ['auth'],
    without: [],
    changed: [],
    update: { version: '0.1.0', files: 0 },
  })
  const variables = await ask('variables')
  expect(variables.json()).toContainEqual(
    expect.objectContaining({ name: 'BETTER_AUTH_SECRET', isSet: true }),
  )
  expect(variables.text).not.toContain('do-not-show-this')
  // Nothing is installed in this host.
  expect(await ask('doctor')).toMatchObject({ isError: true })
  expect(await ask('events')).toMatchObject({ isError: true })
})

test('the command speaks the protocol on standard input and output, and ends with its input', async () => {
  const host = hostWithAuth()
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: ['--conditions=source', '--import', 'tsx', CLI, 'mcp', '--into', host],
    stderr: 'pipe',
  })
  const client = new Client({ name: 'test', version: '1.0.0' })
  await client.connect(transport)
  onTestFinished(() => client.close())
  expect((await askerOf(client)('status')).json()).toMatchObject({ parts: ['auth'] })
})
